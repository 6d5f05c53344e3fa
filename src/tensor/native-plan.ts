import type { ArenaLimits, ArenaPlan } from "./arena.ts";
import type { Numerics } from "./backend.ts";
import type { CacheFieldName, CacheLayout, Program, Value } from "./program.ts";
import { OP_KINDS, rowWidth } from "./program.ts";
import type { NativeOp, Schedule } from "./stages.ts";
import { STAGE_KINDS } from "./stages.ts";

/** Raised whenever the words below change; kernels/cpu/plan_reader.cpp has the same number. */
const VERSION = 2;

/** Offsets into the arena count in cache lines, so that they fit a word. */
const OFFSET_UNIT = 64;

/** Stands for a weight or value that an op does not have. */
const NONE = 0xffffffff;

export interface NativeLimits extends ArenaLimits {
  readonly maxSeqs: number;
  readonly numerics: Numerics;
}

/**
 * A Program with its memory plan as 32-bit words: what the C++ executor (kernels/cpu/plan_reader.cpp) reads once. The
 * operands of an op follow in the order of its struct in kernels/cpu/step.h; numbers with a fraction are two words of an f64.
 * @param weights their order gives the weights' numbers
 * @param layout of the cache that the Program will run on; its fields, layer by layer, are numbered in order
 */
export function encodePlan(
  program: Program,
  { values, stages }: Schedule,
  arena: ArenaPlan,
  limits: NativeLimits,
  weights: readonly string[],
  layout: CacheLayout,
): Uint32Array {
  const words = new Words();
  words.put(VERSION, limits.numerics === "fast" ? 1 : 0, limits.maxRows, limits.maxSeqs, limits.maxLogitRows);
  words.put(arena.bytes / OFFSET_UNIT, values.length);
  for (const value of values) {
    const flags = (value.shape[0] === "logitRows" ? 1 : 0) | (value.dtype === "i32" ? 2 : 0);
    words.put(arena.offsets[value.id]! / OFFSET_UNIT, rowWidth(value), lastWidth(value), flags);
  }
  const weightNumbers = new Map(weights.map((name, number) => [name, number]));
  const operands: Operands = {
    weight: (name) => (name === null ? NONE : weightNumbers.get(name)!),
    field: (layer, name) => fieldNumber(layout, layer, name),
    heads: (name) => program.weights.get(name)!.source.shape[0]!,
  };
  words.put(stages.length);
  for (const { kind, ops } of stages) {
    words.put(STAGE_KINDS.indexOf(kind), ops.length);
    for (const op of ops) {
      words.put(op.kind === "quantize" ? OP_KINDS.length : OP_KINDS.indexOf(op.kind));
      putOp(op, words, operands);
    }
  }
  return words.finish();
}

interface Operands {
  weight(name: string | null): number;
  field(layer: number, name: CacheFieldName): number;
  /** Outermost dimension of a weight. */
  heads(name: string): number;
}

function putOp(op: NativeOp, words: Words, { weight, field, heads }: Operands): Words {
  switch (op.kind) {
    case "embed":
      return words.put(weight(op.table), op.out.id);
    case "rmsNorm":
      return words.put(op.x.id, weight(op.weight)).number(op.eps).put(op.out.id);
    case "layerNorm":
      return words.put(op.x.id, weight(op.weight), weight(op.bias)).number(op.eps).put(op.out.id);
    case "linear":
      return words.put(op.x.id, op.quantized?.id ?? NONE, weight(op.weight), weight(op.bias), op.out.id);
    case "rope":
      words.put(op.x.id).number(op.magnitude).put(op.frequencies.length);
      for (const frequency of op.frequencies) words.number(frequency);
      return words.put(op.pairs === "adjacent" ? 1 : 0, op.out.id);
    case "split":
      return words.put(op.x.id, op.outs.length, ...ids(op.outs));
    case "concat":
      return words.put(op.xs.length, ...ids(op.xs), op.out.id);
    case "add":
      return words.put(op.a.id, op.b.id, op.out.id);
    case "swiglu":
      return words.put(op.gate.id, op.up.id, op.out.id);
    case "cacheWrite":
      return words.put(op.x.id, field(op.layer, op.field));
    case "mlaAttention":
      words.put(op.qNope.id, op.qRope.id, field(op.layer, "latent"), field(op.layer, "kRope"));
      words.put(weight(op.kvBKey), weight(op.kvBValue), op.keyLayout === "latentMajor" ? 1 : 0).number(op.scale);
      return words.put(op.selection ? 1 : 0, ...ids(op.selection ? [op.selection] : []), op.out.id);
    case "gqaAttention":
      words.put(op.q.id, field(op.layer, "key"), field(op.layer, "value"), op.kvHeads).number(op.scale);
      return words.put(op.out.id);
    case "indexerSelect":
      return words.put(op.q.id, op.headWeights.id, field(op.layer, "indexKey"), op.topK, op.out.id);
    case "routeExperts": {
      const { scoring, topK, groups, normalize, scale } = op.routing;
      words.put(op.logits.id, weight(op.bias), scoring === "sigmoid" ? 1 : 0, topK);
      words.put(groups?.count ?? 0, groups?.topGroups ?? 0, groups?.score === "sumOfTop2" ? 1 : 0, normalize ? 1 : 0);
      return words.number(scale).put(op.scores.id, op.ids.id, op.weights.id);
    }
    case "expertsFfn":
      words.put(op.x.id, op.quantized?.id ?? NONE, op.ids.id, op.weights.id);
      return words.put(weight(op.gate), weight(op.up), weight(op.down), heads(op.gate), op.out.id);
    case "gatherRows":
    case "quantize":
      return words.put(op.x.id, op.out.id);
  }
}

function ids(values: readonly Value[]): number[] {
  return values.map(({ id }) => id);
}

/** Where a field of a layer comes among all fields of the cache. */
function fieldNumber(layout: CacheLayout, layer: number, name: CacheFieldName): number {
  const before = layout.layers.slice(0, layer).reduce((sum, fields) => sum + fields.length, 0);
  return before + layout.layers[layer]!.findIndex((field) => field.name === name);
}

function lastWidth(value: Value): number {
  return value.shape.length === 1 ? 1 : (value.shape[value.shape.length - 1] as number);
}

/** Words in order; f64 values as two of them, the lower half first. */
class Words {
  readonly #words: number[] = [];
  readonly #f64 = new DataView(new ArrayBuffer(8));

  put(...words: readonly number[]): this {
    for (const word of words) this.#words.push(word);
    return this;
  }

  number(value: number): this {
    this.#f64.setFloat64(0, value, true);
    return this.put(this.#f64.getUint32(0, true), this.#f64.getUint32(4, true));
  }

  finish(): Uint32Array {
    return Uint32Array.from(this.#words);
  }
}
