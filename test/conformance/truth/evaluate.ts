import type { Batch } from "../../../src/tensor/backend.ts";
import type { CacheDType, CacheFieldName, Op, Program, Value } from "../../../src/tensor/program.ts";
import { rowWidth } from "../../../src/tensor/program.ts";
import { gqaAttention, indexerSelect, mlaAttention, type Past } from "./attention.ts";
import type { ExactCache } from "./cache.ts";
import { type Exact, given } from "./exact.ts";
import { expertsFfn, routeExperts } from "./experts.ts";
import { add, concat, embed, gatherRows, layerNorm, linear, rmsNorm, rope, split, swiglu } from "./rows.ts";

/** What a correct backend returns for one step, from the documented meaning of each op and in f64. */
export function evaluate(
  program: Program,
  weights: ReadonlyMap<string, Float32Array>,
  cache: ExactCache,
  batch: Batch,
  inputs: Readonly<Record<string, Float32Array>>,
): Map<string, Exact> {
  const values = new Map<number, Exact>();
  for (const [name, value] of program.inputs) values.set(value.id, given(inputs[name]!));
  for (const op of program.ops) evaluateOp(op, program, weights, cache, batch, values);
  return new Map([...program.outputs].map(([name, value]) => [name, values.get(value.id)!]));
}

function evaluateOp(
  op: Op,
  program: Program,
  weights: ReadonlyMap<string, Float32Array>,
  cache: ExactCache,
  batch: Batch,
  values: Map<number, Exact>,
): void {
  const of = (value: Value) => values.get(value.id)!;
  const set = (value: Value, result: Exact) => values.set(value.id, result);
  const weight = (name: string) => weights.get(name)!;
  const optional = (name: string | null) => (name === null ? null : weight(name));
  const past = (layer: number, field: CacheFieldName): Past => {
    return (t) => cache.read(layer, field, batch, batch.sequences[t]!, batch.positions[t]!);
  };
  switch (op.kind) {
    case "embed":
      set(op.out, embed(weight(op.table), batch.tokens, rowWidth(op.out)));
      return;
    case "rmsNorm":
      set(op.out, rmsNorm(of(op.x), weight(op.weight), op.eps));
      return;
    case "layerNorm":
      set(op.out, layerNorm(of(op.x), weight(op.weight), weight(op.bias), op.eps));
      return;
    case "linear":
      set(op.out, linear(of(op.x), weight(op.weight), optional(op.bias), rowWidth(op.x)));
      return;
    case "rope": {
      const { x, pairs, frequencies, magnitude } = op;
      set(op.out, rope(of(x), batch.positions, rowWidth(x), lastDim(x), pairs, frequencies, magnitude));
      return;
    }
    case "split": {
      const parts = split(of(op.x), op.outs.map(lastDim));
      for (const [k, part] of parts.entries()) set(op.outs[k]!, part);
      return;
    }
    case "concat":
      set(op.out, concat(op.xs.map(of), op.xs.map(lastDim)));
      return;
    case "add":
      set(op.out, add(of(op.a), of(op.b)));
      return;
    case "swiglu":
      set(op.out, swiglu(of(op.gate), of(op.up)));
      return;
    case "cacheWrite":
      cache.write(op.layer, op.field, of(op.x), batch, cacheDType(program, op.layer, op.field));
      return;
    case "mlaAttention": {
      const [heads, v, latent] = program.weights.get(op.kvBValue)!.source.shape as [number, number, number];
      const shape = { heads, nope: lastDim(op.qNope), rope: lastDim(op.qRope), latent, v };
      const [latents, ropes] = [past(op.layer, "latent"), past(op.layer, "kRope")];
      const kvB = { key: weight(op.kvBKey), keyLayout: op.keyLayout, value: weight(op.kvBValue) };
      const selection = op.selection && of(op.selection);
      set(op.out, mlaAttention(of(op.qNope), of(op.qRope), latents, ropes, kvB, selection, op.scale, shape));
      return;
    }
    case "gqaAttention": {
      const shape = { heads: op.q.shape[1]!, kvHeads: op.kvHeads, headDim: op.q.shape[2]!, scale: op.scale };
      set(op.out, gqaAttention(of(op.q), past(op.layer, "key"), past(op.layer, "value"), shape));
      return;
    }
    case "indexerSelect":
      set(op.out, indexerSelect(of(op.q), of(op.headWeights), past(op.layer, "indexKey"), batch, op.topK));
      return;
    case "routeExperts": {
      const routed = routeExperts(of(op.logits), optional(op.bias), op.routing, rowWidth(op.logits));
      for (const part of ["scores", "ids", "weights"] as const) set(op[part], routed[part]);
      return;
    }
    case "expertsFfn": {
      const [, inter, hidden] = program.weights.get(op.gate)!.source.shape as [number, number, number];
      const experts = { gate: weight(op.gate), up: weight(op.up), down: weight(op.down), inter, hidden };
      set(op.out, expertsFfn(of(op.x), of(op.ids), of(op.weights), experts));
      return;
    }
    case "gatherRows":
      set(op.out, gatherRows(of(op.x), batch.logitRows, rowWidth(op.x)));
      return;
  }
}

function lastDim(value: Value): number {
  return value.shape[value.shape.length - 1] as number;
}

function cacheDType(program: Program, layer: number, field: CacheFieldName): CacheDType {
  return program.cache.layers[layer]!.find(({ name }) => name === field)!.dtype;
}
