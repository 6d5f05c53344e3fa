import type { Routing } from "../../../src/tensor/program.ts";
import { largest } from "./choice.ts";
import { type Exact, exactDot, exactRow, exactZeros } from "./exact.ts";
import { silu } from "./rows.ts";

export interface Routed {
  readonly scores: Exact;
  readonly ids: Exact;
  readonly weights: Exact;
}

export function routeExperts(logits: Exact, bias: Float32Array | null, routing: Routing, experts: number): Routed {
  const rows = logits.values.length / experts;
  const { topK } = routing;
  const out = {
    scores: exactZeros(rows * experts),
    ids: exactZeros(rows * topK),
    weights: exactZeros(rows * topK),
  };
  for (let t = 0; t < rows; t++) {
    const row = exactRow(logits, t, experts);
    const scores = routing.scoring === "softmax" ? softmax(row) : sigmoid(row);
    out.scores.values.set(scores.values, t * experts);
    out.scores.scale.set(scores.scale, t * experts);

    const chosen = choose(scores, bias, routing);
    let sum = 0;
    let sumScale = 0;
    for (const e of chosen) {
      sum += scores.values[e]!;
      sumScale += scores.scale[e]!;
    }
    for (const [k, e] of chosen.entries()) {
      const divisor = routing.normalize ? sum + 1e-20 : 1;
      const weight = (scores.values[e]! / divisor) * routing.scale;
      const relative = scores.scale[e]! / scores.values[e]! + (routing.normalize ? sumScale / divisor : 0);
      out.ids.values[t * topK + k] = e;
      out.weights.values[t * topK + k] = weight;
      out.weights.scale[t * topK + k] = Math.abs(weight) * (1 + relative);
    }
  }
  return out;
}

function softmax(logits: Exact): Exact {
  const shift = Math.max(...logits.values);
  const powers = logits.values.map((z) => Math.exp(z - shift));
  const total = powers.reduce((a, b) => a + b, 0);
  const values = powers.map((p) => p / total);
  const mean = values.reduce((sum, p, i) => sum + p * logits.scale[i]!, 0);
  // An error d of logit i moves p by d * p * (1 - p), one of another logit j by -d * p * p[j].
  return { values, scale: values.map((p, i) => p * (1 + (1 - 2 * p) * logits.scale[i]! + mean)) };
}

function sigmoid(logits: Exact): Exact {
  const values = logits.values.map((z) => 1 / (1 + Math.exp(-z)));
  return { values, scale: values.map((p, i) => p * (1 + (1 - p) * logits.scale[i]!)) };
}

function choose(scores: Exact, bias: Float32Array | null, { topK, groups }: Routing): number[] {
  const ranks = [...scores.values].map((score, e) => score + (bias?.[e] ?? 0));
  const scales = [...scores.scale].map((scale, e) => scale + Math.abs(bias?.[e] ?? 0));
  if (!groups) return largest(ranks, scales, topK);
  const size = ranks.length / groups.count;
  const groupScores: number[] = [];
  const groupScales: number[] = [];
  for (let g = 0; g < groups.count; g++) {
    const best = ranks.slice(g * size, (g + 1) * size).sort((a, b) => b - a);
    groupScores.push(groups.score === "max" ? best[0]! : best[0]! + best[1]!);
    groupScales.push(Math.max(...scales.slice(g * size, (g + 1) * size)));
  }
  const allowed = new Set(largest(groupScores, groupScales, groups.topGroups));
  const limited = ranks.map((rank, e) => (allowed.has(Math.floor(e / size)) ? rank : Number.NEGATIVE_INFINITY));
  return largest(limited, scales, topK);
}

export interface Experts {
  readonly gate: Float32Array;
  readonly up: Float32Array;
  readonly down: Float32Array;
  readonly inter: number;
  readonly hidden: number;
}

export function expertsFfn(x: Exact, ids: Exact, weights: Exact, experts: Experts): Exact {
  const { gate, up, down, inter, hidden } = experts;
  const rows = x.values.length / hidden;
  const topK = ids.values.length / rows;
  const out = exactZeros(x.values.length);
  for (let t = 0; t < rows; t++) {
    const row = exactRow(x, t, hidden);
    for (let k = 0; k < topK; k++) {
      const e = ids.values[t * topK + k]!;
      const slot = { value: weights.values[t * topK + k]!, scale: weights.scale[t * topK + k]! };
      const middle = exactZeros(inter);
      for (let i = 0; i < inter; i++) {
        const gated = exactDot(gate, (e * inter + i) * hidden, row);
        const lifted = exactDot(up, (e * inter + i) * hidden, row);
        const active = silu(gated.value, gated.scale);
        middle.values[i] = active.value * lifted.value;
        middle.scale[i] = active.scale * Math.abs(lifted.value) + Math.abs(active.value) * lifted.scale;
      }
      for (let o = 0; o < hidden; o++) {
        const { value, scale } = exactDot(down, (e * hidden + o) * inter, middle);
        out.values[t * hidden + o]! += slot.value * value;
        out.scale[t * hidden + o]! += Math.abs(slot.value) * scale + slot.scale * Math.abs(value);
      }
    }
  }
  return out;
}
