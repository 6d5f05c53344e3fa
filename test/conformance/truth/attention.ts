import type { Batch } from "../../../src/tensor/backend.ts";
import type { KvBKeyLayout } from "../../../src/tensor/program.ts";
import { largest } from "./choice.ts";
import { type Exact, exactDot, exactRow, exactZeros, setExact } from "./exact.ts";

/** Cached rows 0..position of the sequence of row t. */
export type Past = (t: number) => Exact[];

export interface MlaShape {
  readonly heads: number;
  readonly nope: number;
  readonly rope: number;
  readonly latent: number;
  readonly v: number;
}

/** Keys and values of every head written out per cached position, then plain attention. */
export function mlaAttention(
  qNope: Exact,
  qRope: Exact,
  latents: Past,
  ropes: Past,
  weights: { key: Float32Array; keyLayout: KvBKeyLayout; value: Float32Array },
  selection: Exact | null,
  scale: number,
  { heads, nope, rope, latent, v }: MlaShape,
): Exact {
  const rows = qNope.values.length / (heads * nope);
  const out = exactZeros(rows * heads * v);
  const expand = memo((c: Exact) => {
    const keys = exactZeros(heads * nope);
    const values = exactZeros(heads * v);
    for (let h = 0; h < heads; h++) {
      for (let n = 0; n < nope; n++) {
        const nopeMajor = weights.keyLayout === "nopeMajor";
        const from = nopeMajor ? (h * nope + n) * latent : h * latent * nope + n;
        store(keys, h * nope + n, exactDot(weights.key, from, c, nopeMajor ? 1 : nope));
      }
      for (let j = 0; j < v; j++) store(values, h * v + j, exactDot(weights.value, (h * v + j) * latent, c));
    }
    return { keys, values };
  });
  for (let t = 0; t < rows; t++) {
    const cached = latents(t);
    const rotated = ropes(t);
    const positions = selection ? listed(selection, t, rows) : cached.map((_, s) => s);
    for (let h = 0; h < heads; h++) {
      const scores = positions.map((s) => {
        const a = dot(exactRow(qNope, t * heads + h, nope), exactRow(expand(cached[s]!).keys, h, nope));
        const b = dot(exactRow(qRope, t * heads + h, rope), rotated[s]!);
        return { value: scale * (a.value + b.value), scale: Math.abs(scale) * (a.scale + b.scale) };
      });
      const values = positions.map((s) => exactRow(expand(cached[s]!).values, h, v));
      setExact(out, (t * heads + h) * v, weighted(scores, values));
    }
  }
  return out;
}

export function gqaAttention(
  q: Exact,
  keys: Past,
  values: Past,
  { heads, kvHeads, headDim, scale }: { heads: number; kvHeads: number; headDim: number; scale: number },
): Exact {
  const rows = q.values.length / (heads * headDim);
  const out = exactZeros(q.values.length);
  for (let t = 0; t < rows; t++) {
    const [pastKeys, pastValues] = [keys(t), values(t)];
    for (let h = 0; h < heads; h++) {
      const kvHead = Math.floor((h * kvHeads) / heads);
      const scores = pastKeys.map((key) => {
        const s = dot(exactRow(q, t * heads + h, headDim), exactRow(key, kvHead, headDim));
        return { value: scale * s.value, scale: Math.abs(scale) * s.scale };
      });
      const heard = pastValues.map((value) => exactRow(value, kvHead, headDim));
      setExact(out, (t * heads + h) * headDim, weighted(scores, heard));
    }
  }
  return out;
}

export function indexerSelect(q: Exact, headWeights: Exact, indexKeys: Past, batch: Batch, topK: number): Exact {
  const rows = batch.tokens.length;
  const heads = headWeights.values.length / rows;
  const headDim = q.values.length / (rows * heads);
  const out = exactZeros(rows * topK);
  out.values.fill(-1);
  for (let t = 0; t < rows; t++) {
    const scales: number[] = [];
    const scores = indexKeys(t).map((key) => {
      let score = 0;
      let scoreScale = 0;
      for (let h = 0; h < heads; h++) {
        const weight = headWeights.values[t * heads + h]!;
        const match = dot(exactRow(q, t * heads + h, headDim), key);
        score += weight * Math.max(0, match.value);
        scoreScale += Math.abs(weight) * match.scale;
      }
      scales.push(scoreScale);
      return score;
    });
    out.values.set(largest(scores, scales, topK), t * topK);
  }
  return out;
}

interface Scalar {
  readonly value: number;
  readonly scale: number;
}

/** sum_s softmax(scores)[s] * rows[s] */
function weighted(scores: readonly Scalar[], rows: readonly Exact[]): Exact {
  const shift = Math.max(...scores.map((s) => s.value));
  const powers = scores.map((s) => Math.exp(s.value - shift));
  const total = powers.reduce((a, b) => a + b, 0);
  const out = exactZeros(rows[0]!.values.length);
  for (let i = 0; i < out.values.length; i++) {
    for (const [s, row] of rows.entries()) out.values[i]! += (powers[s]! / total) * row.values[i]!;
    for (const [s, row] of rows.entries()) {
      // An error d of score s moves the result by d * p * (row - result).
      const leverage = Math.abs(row.values[i]! - out.values[i]!) * scores[s]!.scale;
      out.scale[i]! += (powers[s]! / total) * (row.scale[i]! + leverage);
    }
  }
  return out;
}

function dot(a: Exact, b: Exact): Scalar {
  let value = 0;
  let scale = 0;
  for (let i = 0; i < a.values.length; i++) {
    value += a.values[i]! * b.values[i]!;
    scale += a.scale[i]! * b.scale[i]!;
  }
  return { value, scale };
}

/** The selected positions of row t, without the -1 that fill the list up. */
function listed(selection: Exact, t: number, rows: number): number[] {
  return [...exactRow(selection, t, selection.values.length / rows).values].filter((position) => position >= 0);
}

function store(into: Exact, at: number, { value, scale }: Scalar): void {
  into.values[at] = value;
  into.scale[at] = scale;
}

function memo<K extends object, V>(compute: (key: K) => V): (key: K) => V {
  const known = new WeakMap<K, V>();
  return (key) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const value = compute(key);
    known.set(key, value);
    return value;
  };
}
