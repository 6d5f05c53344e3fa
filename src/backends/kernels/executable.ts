import { BackendUnavailableError, UnsupportedOpError } from "../../errors.ts";
import { planArena } from "../../tensor/arena.ts";
import type { Batch, CompileOptions, DeviceBuffer, Executable, Outputs } from "../../tensor/backend.ts";
import { BatchError, checkBatch } from "../../tensor/batch.ts";
import { encodePlan } from "../../tensor/native-plan.ts";
import type { Dim, Program, Value } from "../../tensor/program.ts";
import { rowWidth } from "../../tensor/program.ts";
import { nativeOperands, planStages } from "../../tensor/stages.ts";
import { KernelCache } from "./cache.ts";
import type { NativeExecutor, NativeFactory } from "./native.ts";
import { type RunQueue, takeTurn } from "./run-queue.ts";
import { KernelWeight } from "./weight.ts";

/** A Program compiled by the executor of kernels/: a run is one call, whose work is done on the backend's threads. */
export class KernelExecutable implements Executable {
  readonly scratchBytes: number;
  readonly #backend: string;
  readonly #program: Program;
  readonly #options: CompileOptions;
  readonly #queue: RunQueue;
  readonly #weights: readonly KernelWeight[];
  readonly #cache: KernelCache;
  readonly #vocabSize: number | null;
  #native: NativeExecutor | null;

  static async compile(
    backend: string,
    native: NativeFactory,
    program: Program,
    options: CompileOptions,
    queue: RunQueue,
  ): Promise<KernelExecutable> {
    const names = [...program.weights.keys()];
    const weights = names.map((name) => {
      const weight = options.weights.get(name);
      if (!(weight instanceof KernelWeight)) {
        throw new BackendUnavailableError(backend, `weight ${name} was not loaded by this backend`);
      }
      if (options.numerics === "fast" || weight.keepsRows) return weight;
      throw new UnsupportedOpError(backend, `exact numerics with a weight (${name}) that was loaded for fast numerics`);
    });
    const { cache } = options;
    if (!(cache instanceof KernelCache)) {
      throw new BackendUnavailableError(backend, "the cache was not allocated by this backend");
    }
    const fast = options.numerics === "fast";
    const schedule = planStages(program, (name) => fast && weights[names.indexOf(name)]!.packed);
    const steps = schedule.stages.map(({ ops }) => ops.map(nativeOperands));
    const arena = planArena({ ...program, values: schedule.values, steps }, options);
    const plan = encodePlan(program, schedule, arena, options, names, cache.layout);
    const handles = weights.map((weight) => weight.native);
    const executor = await native.createExecutor(plan, handles, cache.native);
    return new KernelExecutable(backend, executor, program, options, queue, weights, cache);
  }

  private constructor(
    backend: string,
    native: NativeExecutor,
    program: Program,
    options: CompileOptions,
    queue: RunQueue,
    weights: readonly KernelWeight[],
    cache: KernelCache,
  ) {
    this.scratchBytes = native.scratchBytes;
    this.#backend = backend;
    this.#native = native;
    this.#program = program;
    this.#options = options;
    this.#queue = queue;
    this.#weights = weights;
    this.#cache = cache;
    const embedding = program.ops.find((op) => op.kind === "embed");
    this.#vocabSize = embedding ? program.weights.get(embedding.table)!.source.shape[0]! : null;
  }

  run(batch: Batch, inputs: Readonly<Record<string, DeviceBuffer | Float32Array>> = {}): Promise<Outputs> {
    try {
      checkBatch(batch, this.#options, this.#vocabSize);
    } catch (error) {
      return Promise.reject(error);
    }
    return takeTurn(this.#queue, () => this.#run(batch, inputs));
  }

  close(): void {
    this.#native?.close();
    this.#native = null;
  }

  async #run(batch: Batch, inputs: Readonly<Record<string, DeviceBuffer | Float32Array>>): Promise<Outputs> {
    const native = this.#open();
    const { tokens, positions, sequences, kinds, logitRows } = batch;
    native.setRows(tokens, positions, sequences, kinds, logitRows, ...joinTables(batch.blockTables));
    if (this.#options.poison) native.poison();
    for (const [name, value] of this.#program.inputs) this.#give(native, name, value, batch, inputs[name]);
    if (!(await native.run()))
      throw new BackendUnavailableError(this.#backend, `it was closed while ${this.#program.name} ran`);
    const outputs: Record<string, DeviceBuffer> = {};
    for (const [name, value] of this.#program.outputs) {
      const shape = [rowCount(value.shape[0], batch), ...(value.shape.slice(1) as number[])];
      outputs[name] = new KernelBuffer(() => this.#open(), value, shape);
    }
    return outputs;
  }

  #open(): NativeExecutor {
    if (!this.#native) throw new BackendUnavailableError(this.#backend, `program ${this.#program.name} is closed`);
    // The native side keeps what it needs alive; whoever closes a weight or cache that is in use is told here.
    for (const weight of this.#weights) void weight.native;
    void this.#cache.native;
    return this.#native;
  }

  #give(
    native: NativeExecutor,
    name: string,
    value: Value,
    batch: Batch,
    given: DeviceBuffer | Float32Array | undefined,
  ): void {
    const want = rowCount(value.shape[0], batch) * rowWidth(value);
    const got = given instanceof Float32Array || given instanceof KernelBuffer ? given.length : null;
    if (got !== want) throw new BatchError(`input ${name}: want ${want} elements, got ${got ?? "none"}`);
    if (given instanceof KernelBuffer) given.copyTo(native, value.id);
    else native.write(value.id, given as Float32Array);
  }
}

class KernelBuffer implements DeviceBuffer {
  readonly shape: readonly number[];
  readonly dtype: "f32" | "i32";
  readonly length: number;
  readonly #owner: () => NativeExecutor;
  readonly #id: number;

  /** @param owner throws once the Executable is closed */
  constructor(owner: () => NativeExecutor, value: Value, shape: readonly number[]) {
    this.#owner = owner;
    this.#id = value.id;
    this.shape = shape;
    this.dtype = value.dtype;
    this.length = shape.reduce((product, length) => product * length, 1);
  }

  async read(into?: Float32Array | Int32Array): Promise<Float32Array | Int32Array> {
    const own = () => (this.dtype === "i32" ? new Int32Array(this.length) : new Float32Array(this.length));
    const values = into?.subarray(0, this.length) ?? own();
    if (values.length < this.length) throw new RangeError(`${this.length} elements do not fit into ${values.length}`);
    await this.#owner().read(this.#id, values);
    return values;
  }

  copyTo(target: NativeExecutor, value: number): void {
    target.copyFrom(value, this.#owner(), this.#id, this.length);
  }
}

/** All block tables one after the other, and where each begins. */
function joinTables(tables: readonly Int32Array[]): [starts: Int32Array, joined: Int32Array] {
  const starts = new Int32Array(tables.length);
  const joined = new Int32Array(tables.reduce((sum, table) => sum + table.length, 0));
  let at = 0;
  for (const [i, table] of tables.entries()) {
    starts[i] = at;
    joined.set(table, at);
    at += table.length;
  }
  return [starts, joined];
}

function rowCount(dim: Dim, batch: Batch): number {
  if (dim === "rows") return batch.tokens.length;
  return dim === "logitRows" ? batch.logitRows.length : dim;
}
