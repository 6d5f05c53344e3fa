import { ConfigError } from "../errors.ts";
import type { RopePairs, Routing } from "../tensor/program.ts";

/**
 * A network of the family, in one form whatever file described it (config-hf.ts, config-gguf.ts). Names are those of
 * config.json, camelCased.
 */
export interface ModelConfig {
  /** `model_type` of config.json, or `general.architecture` of a GGUF. */
  readonly modelType: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  /** Decoder layers without the MTP ones. */
  readonly numHiddenLayers: number;
  /** Hidden width of the dense feed-forward blocks. */
  readonly intermediateSize: number;
  readonly rmsNormEps: number;
  /** Positions the model was made for. */
  readonly maxPositionEmbeddings: number;
  /** The head is the embedding table. */
  readonly tieWordEmbeddings: boolean;
  readonly rope: RopeConfig;
  readonly attention: MlaConfig | GqaConfig;
  /** null: every layer is dense. */
  readonly moe: MoeConfig | null;
  /** Multi-token-prediction layers present in the file (after the last decoder layer). */
  readonly numNextnPredictLayers: number;
}

/** Multi-head latent attention. */
export interface MlaConfig {
  readonly kind: "mla";
  readonly numHeads: number;
  /** null: the query is projected in one step. */
  readonly qLoraRank: number | null;
  readonly kvLoraRank: number;
  readonly qkNopeHeadDim: number;
  readonly qkRopeHeadDim: number;
  readonly vHeadDim: number;
  /** (nope + rope)^-0.5, times YaRN's mscale squared. */
  readonly softmaxScale: number;
  /** DeepSeek-V3.2's sparse attention; null: every token attends to all before it. */
  readonly indexer: { readonly numHeads: number; readonly headDim: number; readonly topK: number } | null;
}

/** Grouped-query attention, for the R1 distils. */
export interface GqaConfig {
  readonly kind: "gqa";
  readonly numHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  /** q, k and v have a bias (Qwen2). */
  readonly qkvBias: boolean;
}

export interface MoeConfig {
  readonly numRoutedExperts: number;
  readonly numSharedExperts: number;
  /** Hidden width of one expert; the shared ones together are numSharedExperts times as wide. */
  readonly intermediateSize: number;
  /** The first layers are dense. */
  readonly firstKDenseReplace: number;
  readonly routing: Routing;
  /** e_score_correction_bias is added for choosing (noaux_tc). */
  readonly scoreCorrectionBias: boolean;
}

export interface RopeConfig {
  readonly theta: number;
  /** Rotated elements of a head. */
  readonly dim: number;
  readonly pairs: RopePairs;
  readonly scaling: RopeScaling | null;
}

export type RopeScaling =
  | { readonly type: "linear"; readonly factor: number }
  | {
      /** arXiv:2309.00071. */
      readonly type: "yarn";
      readonly factor: number;
      readonly originalMaxPositionEmbeddings: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      /** cos and sin are multiplied by this. */
      readonly magnitude: number;
    }
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositionEmbeddings: number;
    }
  /** GGUF's rope_freqs: each frequency is divided by its factor. */
  | { readonly type: "factors"; readonly factors: readonly number[] };

/** Norms inside latent attention use this, whatever rms_norm_eps says (modeling_deepseek.py; fixtures: moonlight). */
export const LATENT_NORM_EPS = 1e-6;

/** Which layers have experts. */
export function isMoeLayer(config: ModelConfig, layer: number): boolean {
  return config.moe !== null && layer >= config.moe.firstKDenseReplace;
}

/** 0.1 * scale * ln(factor) + 1: YaRN's correction of the attention temperature. */
export function yarnMscale(factor: number, scale: number): number {
  return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
}

/** What a file calls the fields that checkConfig may complain about. */
export type FieldNames = Readonly<
  Record<
    "layers" | "heads" | "kvHeads" | "ropeDim" | "experts" | "groups" | "topGroups" | "topK" | "firstDense",
    string
  >
>;

/** Fields that are fine alone but contradict each other. @throws ConfigError with the name that the file uses */
export function checkConfig(config: ModelConfig, names: FieldNames): ModelConfig {
  const { attention, rope, moe } = config;
  if (rope.dim % 2 !== 0) throw new ConfigError(names.ropeDim, `rotated dimensions must be even, got ${rope.dim}`);
  if (attention.kind === "gqa" && attention.numHeads % attention.numKeyValueHeads !== 0) {
    const { numHeads, numKeyValueHeads } = attention;
    throw new ConfigError(names.kvHeads, `${numKeyValueHeads} does not divide ${names.heads} ${numHeads}`);
  }
  if (attention.kind === "gqa" && rope.dim > attention.headDim) {
    throw new ConfigError(names.ropeDim, `${rope.dim} is more than a head of ${attention.headDim}`);
  }
  if (!moe) return config;
  const { numRoutedExperts: experts, routing } = moe;
  if (moe.firstKDenseReplace > config.numHiddenLayers) {
    throw new ConfigError(
      names.firstDense,
      `${moe.firstKDenseReplace} is more than ${names.layers} ${config.numHiddenLayers}`,
    );
  }
  let reachable = experts;
  if (routing.groups) {
    const { count, topGroups } = routing.groups;
    if (experts % count !== 0)
      throw new ConfigError(names.groups, `${count} does not divide ${names.experts} ${experts}`);
    if (topGroups > count) throw new ConfigError(names.topGroups, `${topGroups} is more than ${names.groups} ${count}`);
    if (routing.groups.score === "sumOfTop2" && experts / count < 2) {
      throw new ConfigError(names.groups, `${count} groups of one expert; a group is scored by its two best`);
    }
    reachable = (experts / count) * topGroups;
  }
  if (routing.topK > reachable) {
    throw new ConfigError(names.topK, `${routing.topK} experts a token, but only ${reachable} can be chosen`);
  }
  return config;
}
