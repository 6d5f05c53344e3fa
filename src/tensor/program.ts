import type { WeightSource } from "./weight.ts";

/**
 * A forward pass as data: what recorder.ts writes and a backend compiles. Nothing in here runs.
 *
 * Values are single-assignment buffers. All ops work row by row over the tokens of a step; only attention and the
 * indexer look across rows, through the cache.
 */
export interface Program {
  readonly name: string;
  readonly values: readonly Value[];
  readonly ops: readonly Op[];
  /** Every weight by name, with the ways it is used: a tied embedding appears once, used twice. */
  readonly weights: ReadonlyMap<string, ProgramWeight>;
  /** Buffers the caller hands to `run`, by name. */
  readonly inputs: ReadonlyMap<string, Value>;
  /** Values the caller can read after `run`, by name. */
  readonly outputs: ReadonlyMap<string, Value>;
  readonly cache: CacheLayout;
}

/** A size: fixed, or bound at each run to the number of rows (tokens) or of rows whose logits are wanted. */
export type Dim = number | "rows" | "logitRows";

export interface Value {
  readonly id: number;
  /** Outermost first; the first dimension is always "rows" or "logitRows". */
  readonly shape: readonly [Dim, ...number[]];
  readonly dtype: "f32" | "i32";
}

/** How a weight is read: as a matrix multiplied with rows, row by row by index, as one per expert or per head, or as a short vector. */
export type WeightUse = "linear" | "gather" | "expert" | "heads" | "vector";

export interface ProgramWeight {
  readonly source: WeightSource;
  readonly uses: ReadonlySet<WeightUse>;
}

/** The paged cache: one page id covers `pageSize` consecutive positions of a sequence in all layers. */
export interface CacheLayout {
  readonly pageSize: number;
  /** Per layer, what is stored for a token. */
  readonly layers: readonly (readonly CacheField[])[];
}

export interface CacheField {
  readonly name: CacheFieldName;
  /** Elements per token. */
  readonly width: number;
  readonly dtype: CacheDType;
}

export type CacheFieldName = "latent" | "kRope" | "indexKey" | "key" | "value";
/** q8_0: blocks of 32 as ggml's, the last one of a row filled up. */
export const CACHE_DTYPES = ["f32", "f16", "q8_0"] as const;
export type CacheDType = (typeof CACHE_DTYPES)[number];

/** The recorded operations. Shapes use T = rows of the step; weights are row-major with the input dimension last. */
export type Op =
  | EmbedOp
  | RmsNormOp
  | LayerNormOp
  | LinearOp
  | RopeOp
  | SplitOp
  | ConcatOp
  | AddOp
  | SwigluOp
  | CacheWriteOp
  | MlaAttentionOp
  | GqaAttentionOp
  | IndexerSelectOp
  | RouteExpertsOp
  | ExpertsFfnOp
  | GatherRowsOp;

export type OpKind = Op["kind"];

/** out[t] = table[tokens[t]]; table [vocab, width]. */
export interface EmbedOp {
  readonly kind: "embed";
  readonly table: string;
  readonly out: Value;
}

/** Over the last dimension: out = x / sqrt(mean(x^2) + eps) * weight. */
export interface RmsNormOp {
  readonly kind: "rmsNorm";
  readonly x: Value;
  readonly weight: string;
  readonly eps: number;
  readonly out: Value;
}

/** Over the last dimension: out = (x - mean) / sqrt(variance + eps) * weight + bias. */
export interface LayerNormOp {
  readonly kind: "layerNorm";
  readonly x: Value;
  readonly weight: string;
  readonly bias: string;
  readonly eps: number;
  readonly out: Value;
}

/** out[t][o] = sum_i weight[o][i] * x[t][i] (+ bias[o]); the dimensions of x after the first count as one. */
export interface LinearOp {
  readonly kind: "linear";
  readonly x: Value;
  readonly weight: string;
  readonly bias: string | null;
  readonly out: Value;
}

/**
 * Rotary embedding of the whole last dimension (d) at the row's position p: pair j turns by p * frequencies[j].
 * "adjacent" pairs elements (2j, 2j+1), "half" pairs (j, j + d/2). Both results are multiplied by `magnitude`.
 */
export interface RopeOp {
  readonly kind: "rope";
  readonly x: Value;
  readonly pairs: RopePairs;
  /** Radians per position, d/2 of them. */
  readonly frequencies: readonly number[];
  readonly magnitude: number;
  readonly out: Value;
}

export type RopePairs = "adjacent" | "half";

/** Cuts the last dimension into consecutive parts. */
export interface SplitOp {
  readonly kind: "split";
  readonly x: Value;
  readonly outs: readonly Value[];
}

/** Joins along the last dimension. */
export interface ConcatOp {
  readonly kind: "concat";
  readonly xs: readonly Value[];
  readonly out: Value;
}

/** out = a + b, same shape. */
export interface AddOp {
  readonly kind: "add";
  readonly a: Value;
  readonly b: Value;
  readonly out: Value;
}

/** out = silu(gate) * up, silu(z) = z / (1 + exp(-z)). */
export interface SwigluOp {
  readonly kind: "swiglu";
  readonly gate: Value;
  readonly up: Value;
  readonly out: Value;
}

/** Stores the row's x at (its sequence, its position) of one field of a cache layer. */
export interface CacheWriteOp {
  readonly kind: "cacheWrite";
  readonly layer: number;
  readonly field: CacheFieldName;
  readonly x: Value;
}

/**
 * Causal multi-head latent attention (arXiv:2405.04434 2.1). With c = latent and r = kRope of the cached positions s:
 *   score[h][s] = scale * (qNope[h] . (kvBKey[h] c[s]) + qRope[h] . r[s])
 *   out[h]      = sum_s softmax(score)[h][s] * kvBValue[h] c[s]
 * over s <= position of the row, or over the listed positions where `selection` is given.
 * The backend picks the absorbed form (kvBKey applied to qNope) or the expanded one.
 */
export interface MlaAttentionOp {
  readonly kind: "mlaAttention";
  readonly layer: number;
  /** [T, heads, nope] */
  readonly qNope: Value;
  /** [T, heads, rope], already rotated */
  readonly qRope: Value;
  /** [heads, nope, latent] or, with keyLayout "latentMajor" (GGUF's attn_k_b), [heads, latent, nope] */
  readonly kvBKey: string;
  readonly keyLayout: KvBKeyLayout;
  /** [heads, v, latent] */
  readonly kvBValue: string;
  readonly scale: number;
  /** i32 [T, k] from indexerSelect, or null for all positions */
  readonly selection: Value | null;
  /** [T, heads * v] */
  readonly out: Value;
}

export type KvBKeyLayout = "nopeMajor" | "latentMajor";

/** Causal grouped-query attention over the cached key and value: query head h reads key head floor(h * kvHeads / heads). */
export interface GqaAttentionOp {
  readonly kind: "gqaAttention";
  readonly layer: number;
  /** [T, heads, headDim], already rotated */
  readonly q: Value;
  readonly kvHeads: number;
  readonly scale: number;
  /** [T, heads * headDim] */
  readonly out: Value;
}

/**
 * DeepSeek-V3.2's lightning indexer: index score of position s = sum_h headWeights[h] * relu(q[h] . indexKey[s]);
 * out lists the topK positions s <= position of the row with the highest scores (ties: the lower position), ascending,
 * filled up with -1.
 */
export interface IndexerSelectOp {
  readonly kind: "indexerSelect";
  readonly layer: number;
  /** [T, heads, headDim] */
  readonly q: Value;
  /** [T, heads] */
  readonly headWeights: Value;
  readonly topK: number;
  /** i32 [T, topK] */
  readonly out: Value;
}

/** How experts are chosen and weighted from the router's logits; see RouteExpertsOp. */
export interface Routing {
  readonly scoring: "softmax" | "sigmoid";
  readonly topK: number;
  /** Experts compete only inside the best `topGroups` of `count` equal groups; null: no groups. */
  readonly groups: { readonly count: number; readonly topGroups: number; readonly score: "max" | "sumOfTop2" } | null;
  /** Divide the chosen weights by their sum (+ 1e-20). */
  readonly normalize: boolean;
  /** Multiplied last (routed_scaling_factor). */
  readonly scale: number;
}

/**
 * scores = scoring(logits). Choice: by scores + bias; groups outside the best ones are excluded (-inf). Ties: the lower
 * expert id. Weights: the unbiased scores of the chosen, normalised and scaled. Slots are in ascending order of expert id.
 */
export interface RouteExpertsOp {
  readonly kind: "routeExperts";
  /** [T, experts] */
  readonly logits: Value;
  /** e_score_correction_bias, [experts] */
  readonly bias: string | null;
  readonly routing: Routing;
  /** f32 [T, experts] */
  readonly scores: Value;
  /** i32 [T, topK] */
  readonly ids: Value;
  /** f32 [T, topK] */
  readonly weights: Value;
}

/** out[t] = sum over slots k, in order, of weights[t][k] * down[e] (silu(gate[e] x[t]) * up[e] x[t]) with e = ids[t][k]. */
export interface ExpertsFfnOp {
  readonly kind: "expertsFfn";
  readonly x: Value;
  readonly ids: Value;
  readonly weights: Value;
  /** [experts, inter, hidden] */
  readonly gate: string;
  readonly up: string;
  /** [experts, hidden, inter] */
  readonly down: string;
  readonly out: Value;
}

/** The rows of x whose logits are wanted (Batch.logitRows): [T, ...] -> [logitRows, ...]. */
export interface GatherRowsOp {
  readonly kind: "gatherRows";
  readonly x: Value;
  readonly out: Value;
}

export const OP_KINDS = [
  "embed",
  "rmsNorm",
  "layerNorm",
  "linear",
  "rope",
  "split",
  "concat",
  "add",
  "swiglu",
  "cacheWrite",
  "mlaAttention",
  "gqaAttention",
  "indexerSelect",
  "routeExperts",
  "expertsFfn",
  "gatherRows",
] as const satisfies readonly OpKind[];

/** Elements of one row of a value. */
export function rowWidth(value: Value): number {
  let width = 1;
  for (let i = 1; i < value.shape.length; i++) width *= value.shape[i] as number;
  return width;
}

/** The values an op reads and writes: what planning of memory needs to know. */
export function operands(op: Op): { reads: readonly Value[]; writes: readonly Value[] } {
  switch (op.kind) {
    case "embed":
      return { reads: [], writes: [op.out] };
    case "rmsNorm":
    case "layerNorm":
    case "linear":
    case "rope":
    case "gatherRows":
      return { reads: [op.x], writes: [op.out] };
    case "split":
      return { reads: [op.x], writes: op.outs };
    case "concat":
      return { reads: op.xs, writes: [op.out] };
    case "add":
      return { reads: [op.a, op.b], writes: [op.out] };
    case "swiglu":
      return { reads: [op.gate, op.up], writes: [op.out] };
    case "cacheWrite":
      return { reads: [op.x], writes: [] };
    case "mlaAttention":
      return { reads: op.selection ? [op.qNope, op.qRope, op.selection] : [op.qNope, op.qRope], writes: [op.out] };
    case "gqaAttention":
      return { reads: [op.q], writes: [op.out] };
    case "indexerSelect":
      return { reads: [op.q, op.headWeights], writes: [op.out] };
    case "routeExperts":
      return { reads: [op.logits], writes: [op.scores, op.ids, op.weights] };
    case "expertsFfn":
      return { reads: [op.x, op.ids, op.weights], writes: [op.out] };
  }
}
