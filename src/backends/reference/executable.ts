import { BackendUnavailableError } from "../../errors.ts";
import type { ArenaPlan } from "../../tensor/arena.ts";
import { inOrder, planArena } from "../../tensor/arena.ts";
import type { Batch, CompileOptions, DeviceBuffer, Executable, Outputs } from "../../tensor/backend.ts";
import { BatchError, checkBatch } from "../../tensor/batch.ts";
import type { Dim, Op, Program, Value } from "../../tensor/program.ts";
import { rowWidth } from "../../tensor/program.ts";
import type { ReferenceCache } from "./cache.ts";
import { cacheWrite, gqaAttention, indexerSelect, mlaAttention } from "./ops/attention.ts";
import { expertsFfn, routeExperts } from "./ops/experts.ts";
import { linear } from "./ops/linear.ts";
import { rope } from "./ops/rope.ts";
import { add, concat, embed, gatherRows, layerNorm, rmsNorm, split, swiglu } from "./ops/rows.ts";
import type { Owner } from "./owner.ts";
import type { StepQueue } from "./step-queue.ts";
import { ReferenceWeight } from "./weight.ts";

/** What an i32 buffer is filled with instead of NaN. */
const POISON_I32 = -0x7fffffff;

/** Runs a Program op by op over one arena. */
export class ReferenceExecutable implements Executable {
  readonly scratchBytes: number;
  readonly #program: Program;
  readonly #options: CompileOptions;
  readonly #plan: ArenaPlan;
  readonly #queue: StepQueue;
  readonly #vocabSize: number | null;
  readonly #owner: Owner;
  #arena: ArrayBuffer | null;

  constructor(program: Program, options: CompileOptions, queue: StepQueue, owner: Owner) {
    for (const name of program.weights.keys()) {
      if (!(options.weights.get(name) instanceof ReferenceWeight)) {
        throw new BackendUnavailableError("reference", `weight ${name} was not loaded by this backend`);
      }
    }
    this.#program = program;
    this.#options = options;
    this.#queue = queue;
    this.#owner = owner;
    owner.add(this);
    this.#plan = planArena(inOrder(program), options);
    this.#arena = new ArrayBuffer(this.#plan.bytes);
    this.scratchBytes = this.#plan.bytes;
    const tables = program.ops.flatMap((op) =>
      op.kind === "embed" ? [program.weights.get(op.table)!.source.shape[0]!] : [],
    );
    this.#vocabSize = tables.length > 0 ? Math.min(...tables) : null;
  }

  async run(batch: Batch, inputs: Readonly<Record<string, DeviceBuffer | Float32Array>> = {}): Promise<Outputs> {
    checkBatch(batch, this.#options, this.#vocabSize);
    return this.#queue.run(() => this.#run(batch, inputs));
  }

  close(): void {
    this.#arena = null;
    this.#owner.delete(this);
  }

  async #run(batch: Batch, inputs: Readonly<Record<string, DeviceBuffer | Float32Array>>): Promise<Outputs> {
    const arena = this.#arena;
    if (!arena) throw new BackendUnavailableError("reference", `program ${this.#program.name} is closed`);
    const buffers = this.#program.values.map((value) => this.#bind(value, batch, arena));
    if (this.#options.poison)
      for (const buffer of buffers) buffer.fill(buffer instanceof Int32Array ? POISON_I32 : Number.NaN);
    for (const [name, value] of this.#program.inputs) {
      const given = inputs[name];
      const data = given instanceof Float32Array ? given : given instanceof ReferenceBuffer ? given.data : null;
      const target = buffers[value.id]!;
      if (data?.length !== target.length) {
        throw new BatchError(`input ${name}: want ${target.length} elements, got ${data?.length ?? "none"}`);
      }
      target.set(data);
    }
    for (const op of this.#program.ops) {
      await this.#queue.yieldWhenDue();
      this.#execute(op, batch, buffers);
    }
    const outputs: Record<string, DeviceBuffer> = {};
    for (const [name, value] of this.#program.outputs) {
      const shape = [rowCount(value.shape[0], batch), ...(value.shape.slice(1) as number[])];
      outputs[name] = new ReferenceBuffer(shape, value.dtype, buffers[value.id]!);
    }
    return outputs;
  }

  /** The part of the arena that holds a value's rows in this run. */
  #bind(value: Value, batch: Batch, arena: ArrayBuffer): Float32Array | Int32Array {
    const View = value.dtype === "i32" ? Int32Array : Float32Array;
    return new View(arena, this.#plan.offsets[value.id]!, rowCount(value.shape[0], batch) * rowWidth(value));
  }

  #execute(op: Op, batch: Batch, buffers: readonly (Float32Array | Int32Array)[]): void {
    const f32 = (value: Value) => buffers[value.id] as Float32Array;
    const i32 = (value: Value) => buffers[value.id] as Int32Array;
    const weight = (name: string) => (this.#options.weights.get(name) as ReferenceWeight).data;
    const shape = (name: string) => (this.#options.weights.get(name) as ReferenceWeight).shape;
    const cache = this.#options.cache as ReferenceCache;
    const lastWidth = (value: Value) => value.shape[value.shape.length - 1] as number;
    switch (op.kind) {
      case "embed":
        embed(batch.tokens, weight(op.table), rowWidth(op.out), f32(op.out));
        break;
      case "rmsNorm":
        rmsNorm(f32(op.x), weight(op.weight), op.eps, f32(op.out));
        break;
      case "layerNorm":
        layerNorm(f32(op.x), weight(op.weight), weight(op.bias), op.eps, f32(op.out));
        break;
      case "linear": {
        const bias = op.bias === null ? null : weight(op.bias);
        linear(f32(op.x), weight(op.weight), bias, rowWidth(op.x), rowWidth(op.out), f32(op.out));
        break;
      }
      case "rope":
        rope(f32(op.x), batch.positions, op.pairs, op.frequencies, op.magnitude, f32(op.out));
        break;
      case "split":
        split(f32(op.x), op.outs.map(lastWidth), op.outs.map(f32));
        break;
      case "concat":
        concat(op.xs.map(f32), op.xs.map(lastWidth), f32(op.out));
        break;
      case "add":
        add(f32(op.a), f32(op.b), f32(op.out));
        break;
      case "swiglu":
        swiglu(f32(op.gate), f32(op.up), f32(op.out));
        break;
      case "cacheWrite":
        cacheWrite(f32(op.x), batch, cache.field(op.layer, op.field));
        break;
      case "mlaAttention": {
        const [heads, v] = shape(op.kvBValue) as [number, number];
        const { scale, keyLayout } = op;
        mlaAttention(
          f32(op.qNope),
          f32(op.qRope),
          cache.field(op.layer, "latent"),
          cache.field(op.layer, "kRope"),
          weight(op.kvBKey),
          weight(op.kvBValue),
          op.selection && i32(op.selection),
          batch,
          { heads, nope: lastWidth(op.qNope), v, scale, keyLayout },
          f32(op.out),
        );
        break;
      }
      case "gqaAttention": {
        const [, heads, headDim] = op.q.shape as readonly [Dim, number, number];
        const [key, value] = [cache.field(op.layer, "key"), cache.field(op.layer, "value")];
        const { kvHeads, scale } = op;
        gqaAttention(f32(op.q), key, value, batch, { heads, kvHeads, headDim, scale }, f32(op.out));
        break;
      }
      case "indexerSelect": {
        const indexKey = cache.field(op.layer, "indexKey");
        indexerSelect(f32(op.q), f32(op.headWeights), indexKey, batch, op.topK, i32(op.out));
        break;
      }
      case "routeExperts": {
        const bias = op.bias === null ? null : weight(op.bias);
        const [scores, ids, weights] = [f32(op.scores), i32(op.ids), f32(op.weights)];
        routeExperts(f32(op.logits), bias, op.routing, rowWidth(op.logits), scores, ids, weights);
        break;
      }
      case "expertsFfn": {
        const [, inter, hidden] = shape(op.gate) as [number, number, number];
        const matrices = [weight(op.gate), weight(op.up), weight(op.down)] as const;
        expertsFfn(f32(op.x), i32(op.ids), f32(op.weights), ...matrices, { hidden, inter }, f32(op.out));
        break;
      }
      case "gatherRows":
        gatherRows(f32(op.x), batch.logitRows, rowWidth(op.x), f32(op.out));
        break;
    }
  }
}

class ReferenceBuffer implements DeviceBuffer {
  readonly shape: readonly number[];
  readonly dtype: "f32" | "i32";
  readonly data: Float32Array | Int32Array;

  constructor(shape: readonly number[], dtype: "f32" | "i32", data: Float32Array | Int32Array) {
    this.shape = shape;
    this.dtype = dtype;
    this.data = data;
  }

  async read(into?: Float32Array | Int32Array): Promise<Float32Array | Int32Array> {
    if (!into) return this.data.slice();
    into.set(this.data);
    return into.subarray(0, this.data.length);
  }
}

function rowCount(dim: Dim, batch: Batch): number {
  if (dim === "rows") return batch.tokens.length;
  return dim === "logitRows" ? batch.logitRows.length : dim;
}
