import type { Routing } from "../../../tensor/program.ts";
import { linear } from "./linear.ts";
import { swiglu } from "./rows.ts";

/**
 * Chooses topK experts a row and their weights. Source: arXiv:2405.04434 2.2 (softmax, groups by their best expert),
 * arXiv:2412.19437 2.1.2 (sigmoid, bias only for choosing, groups by the sum of their two best).
 * @param logits [T, experts]
 * @param scores [T, experts]
 * @param ids    i32 [T, topK], ascending
 * @param weights [T, topK]
 */
export function routeExperts(
  logits: Float32Array,
  bias: Float32Array | null,
  routing: Routing,
  experts: number,
  scores: Float32Array,
  ids: Int32Array,
  weights: Float32Array,
): void {
  const { topK } = routing;
  for (let t = 0; t * experts < logits.length; t++) {
    const row =
      routing.scoring === "sigmoid" ? sigmoid(logits, t * experts, experts) : softmax(logits, t * experts, experts);
    scores.set(row, t * experts);
    const choice = bias ? row.map((score, e) => score + bias[e]!) : row.slice();
    if (routing.groups) excludeGroups(choice, routing.groups);
    const chosen = best(choice, topK).sort((a, b) => a - b);
    const sum = routing.normalize ? chosen.reduce((total, e) => total + row[e]!, 0) + 1e-20 : 1;
    for (const [slot, e] of chosen.entries()) {
      ids[t * topK + slot] = e;
      weights[t * topK + slot] = (row[e]! / sum) * routing.scale;
    }
  }
}

function sigmoid(logits: Float32Array, start: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, e) => 1 / (1 + Math.exp(-logits[start + e]!)));
}

function softmax(logits: Float32Array, start: number, count: number): Float64Array {
  const row = Float64Array.from(logits.subarray(start, start + count));
  const max = row.reduce((a, b) => Math.max(a, b));
  const exps = row.map((z) => Math.exp(z - max));
  const sum = exps.reduce((a, b) => a + b, 0);
  return exps.map((z) => z / sum);
}

/** Sets the scores of all groups but the best to -inf: a biased score may be negative, so 0 would not exclude it. */
function excludeGroups(choice: Float64Array, groups: NonNullable<Routing["groups"]>): void {
  const size = choice.length / groups.count;
  const groupScores = Float64Array.from({ length: groups.count }, (_, g) => {
    const sorted = choice.slice(g * size, (g + 1) * size).sort();
    const top = sorted[size - 1]!;
    return groups.score === "max" ? top : top + (sorted[size - 2] ?? 0);
  });
  const kept = new Set(best(groupScores, groups.topGroups));
  for (let g = 0; g < groups.count; g++) {
    if (!kept.has(g)) choice.fill(Number.NEGATIVE_INFINITY, g * size, (g + 1) * size);
  }
}

/** Indices of the `count` largest values; equal values in order of index. */
function best(values: Float64Array, count: number): number[] {
  return [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b).slice(0, count);
}

/**
 * Sum over the row's experts of weight * down(silu(gate x) * up x), in slot order.
 * @param x    [T, hidden]
 * @param ids  i32 [T, slots]
 * @param gate [experts, inter, hidden], and up alike
 * @param down [experts, hidden, inter]
 * @param out  [T, hidden]
 */
export function expertsFfn(
  x: Float32Array,
  ids: Int32Array,
  weights: Float32Array,
  gate: Float32Array,
  up: Float32Array,
  down: Float32Array,
  shape: { hidden: number; inter: number },
  out: Float32Array,
): void {
  const { hidden, inter } = shape;
  const rows = x.length / hidden;
  const slots = ids.length / rows;
  const matrix = hidden * inter;
  const gated = new Float32Array(inter);
  const upped = new Float32Array(inter);
  const result = new Float32Array(hidden);
  for (let t = 0; t < rows; t++) {
    const row = x.subarray(t * hidden, (t + 1) * hidden);
    const sum = new Float64Array(hidden);
    for (let slot = t * slots; slot < (t + 1) * slots; slot++) {
      const from = ids[slot]! * matrix;
      linear(row, gate.subarray(from, from + matrix), null, hidden, inter, gated);
      linear(row, up.subarray(from, from + matrix), null, hidden, inter, upped);
      swiglu(gated, upped, gated);
      linear(gated, down.subarray(from, from + matrix), null, inter, hidden, result);
      for (let i = 0; i < hidden; i++) sum[i]! += weights[slot]! * result[i]!;
    }
    out.set(sum, t * hidden);
  }
}
