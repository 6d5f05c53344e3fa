import type { Batch } from "../../../tensor/backend.ts";
import { throughCache } from "../../../tensor/cache-row.ts";
import type { KvBKeyLayout } from "../../../tensor/program.ts";
import type { CacheRows } from "../cache.ts";
import { rowStart } from "../cache.ts";
import { dot } from "./linear.ts";

/** Stores row t of x at the cache entry of its sequence and position. */
export function cacheWrite(x: Float32Array, batch: Batch, rows: CacheRows): void {
  for (let t = 0; t < batch.tokens.length; t++) {
    const at = rowStart(rows, batch.blockTables[batch.sequences[t]!]!, batch.positions[t]!);
    rows.data.set(throughCache(x.subarray(t * rows.width, (t + 1) * rows.width), rows.dtype), at);
  }
}

export interface MlaShape {
  readonly heads: number;
  readonly nope: number;
  readonly v: number;
  readonly scale: number;
  readonly keyLayout: KvBKeyLayout;
}

/**
 * Multi-head latent attention in the absorbed form (arXiv:2405.04434 2.1.3): the key half of kv_b is applied to the query once, so
 * that all scores are dot products with the cached latent; the value half is applied to the weighted mean of latents.
 * @param qNope     [T, heads, nope]
 * @param qRope     [T, heads, rope]
 * @param latent    cached c_kv, rows of kvLoraRank
 * @param kRope     cached rotated key, rows of rope, shared by all heads
 * @param selection [T, k] positions to attend to (-1: none), or null for all up to the row's own
 * @param out       [T, heads * v]
 */
export function mlaAttention(
  qNope: Float32Array,
  qRope: Float32Array,
  latent: CacheRows,
  kRope: CacheRows,
  kvBKey: Float32Array,
  kvBValue: Float32Array,
  selection: Int32Array | null,
  batch: Batch,
  shape: MlaShape,
  out: Float32Array,
): void {
  const { heads, nope, v, scale, keyLayout } = shape;
  const rank = latent.width;
  const query = new Float32Array(rank);
  const mean = new Float32Array(rank);
  for (let t = 0; t < batch.tokens.length; t++) {
    const table = batch.blockTables[batch.sequences[t]!]!;
    const positions = attended(batch.positions[t]!, selection, t, batch.tokens.length);
    const scores = new Float64Array(positions.length);
    for (let h = 0; h < heads; h++) {
      absorb(qNope, (t * heads + h) * nope, kvBKey, h * nope * rank, nope, keyLayout, query);
      const ropeAt = (t * heads + h) * kRope.width;
      for (let s = 0; s < positions.length; s++) {
        const position = positions[s]!;
        const content = dot(query, 0, latent.data, rowStart(latent, table, position), rank);
        const place = dot(qRope, ropeAt, kRope.data, rowStart(kRope, table, position), kRope.width);
        scores[s] = scale * (content + place);
      }
      softmax(scores);
      weightedMean(scores, positions, latent, 0, table, mean);
      for (let i = 0; i < v; i++) out[(t * heads + h) * v + i] = dot(mean, 0, kvBValue, (h * v + i) * rank, rank);
    }
  }
}

/** query = kvBKey[h]^T qNope, whichever way round kvBKey lies. */
function absorb(
  q: Float32Array,
  qStart: number,
  key: Float32Array,
  keyStart: number,
  nope: number,
  layout: KvBKeyLayout,
  query: Float32Array,
): void {
  const rank = query.length;
  const [latentStep, nopeStep] = layout === "nopeMajor" ? [1, rank] : [nope, 1];
  for (let c = 0; c < rank; c++) {
    let sum = 0;
    for (let n = 0; n < nope; n++) sum += q[qStart + n]! * key[keyStart + c * latentStep + n * nopeStep]!;
    query[c] = sum;
  }
}

/**
 * Grouped-query attention (arXiv:2305.13245).
 * @param q     [T, heads, headDim]
 * @param key   cached, rows of [kvHeads, headDim]
 * @param value cached, rows of [kvHeads, headDim]
 * @param out   [T, heads * headDim]
 */
export function gqaAttention(
  q: Float32Array,
  key: CacheRows,
  value: CacheRows,
  batch: Batch,
  shape: { heads: number; kvHeads: number; headDim: number; scale: number },
  out: Float32Array,
): void {
  const { heads, kvHeads, headDim, scale } = shape;
  for (let t = 0; t < batch.tokens.length; t++) {
    const table = batch.blockTables[batch.sequences[t]!]!;
    const positions = attended(batch.positions[t]!, null, t, batch.tokens.length);
    const scores = new Float64Array(positions.length);
    for (let h = 0; h < heads; h++) {
      const kvHead = Math.floor((h * kvHeads) / heads) * headDim;
      const at = (t * heads + h) * headDim;
      for (let s = 0; s < positions.length; s++) {
        scores[s] = scale * dot(q, at, key.data, rowStart(key, table, positions[s]!) + kvHead, headDim);
      }
      softmax(scores);
      weightedMean(scores, positions, value, kvHead, table, out.subarray(at, at + headDim));
    }
  }
}

/**
 * DeepSeek-V3.2's lightning indexer (DeepSeek-V3.2-Exp report, section 2): the topK positions with the best index score.
 * @param q           [T, heads, headDim]
 * @param headWeights [T, heads]
 * @param out         i32 [T, topK], ascending, filled up with -1
 */
export function indexerSelect(
  q: Float32Array,
  headWeights: Float32Array,
  indexKey: CacheRows,
  batch: Batch,
  topK: number,
  out: Int32Array,
): void {
  const headDim = indexKey.width;
  const heads = headWeights.length / batch.tokens.length;
  for (let t = 0; t < batch.tokens.length; t++) {
    const table = batch.blockTables[batch.sequences[t]!]!;
    const scores = new Float64Array(batch.positions[t]! + 1);
    for (let s = 0; s < scores.length; s++) {
      const keyAt = rowStart(indexKey, table, s);
      let score = 0;
      for (let h = 0; h < heads; h++) {
        const match = dot(q, (t * heads + h) * headDim, indexKey.data, keyAt, headDim);
        if (match > 0) score += headWeights[t * heads + h]! * match;
      }
      scores[s] = score;
    }
    const best = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, topK);
    best.sort((a, b) => a - b);
    const row = out.subarray(t * topK, (t + 1) * topK).fill(-1);
    row.set(best);
  }
}

/** The positions a row attends to, ascending. */
function attended(position: number, selection: Int32Array | null, row: number, rows: number): Int32Array {
  if (!selection) return Int32Array.from({ length: position + 1 }, (_, s) => s);
  const topK = selection.length / rows;
  return selection.subarray(row * topK, (row + 1) * topK).filter((s) => s >= 0);
}

function softmax(scores: Float64Array): void {
  let max = Number.NEGATIVE_INFINITY;
  for (const score of scores) max = Math.max(max, score);
  let sum = 0;
  for (let s = 0; s < scores.length; s++) sum += scores[s] = Math.exp(scores[s]! - max);
  for (let s = 0; s < scores.length; s++) scores[s]! /= sum;
}

/** out = sum_s weights[s] * (the `out.length` cached elements of position s that start at `from`) */
function weightedMean(
  weights: Float64Array,
  positions: Int32Array,
  rows: CacheRows,
  from: number,
  table: Int32Array,
  out: Float32Array,
): void {
  const sum = new Float64Array(out.length);
  for (let s = 0; s < positions.length; s++) {
    const at = rowStart(rows, table, positions[s]!) + from;
    for (let i = 0; i < sum.length; i++) sum[i]! += weights[s]! * rows.data[at + i]!;
  }
  out.set(sum);
}
