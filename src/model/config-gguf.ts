import { ConfigError } from "../errors.ts";
import type { GgufMetadata } from "../formats/gguf-metadata.ts";
import type { TensorEntry } from "../formats/tensor-file.ts";
import type { RopePairs, Routing } from "../tensor/program.ts";
import type { FieldNames, GqaConfig, MlaConfig, ModelConfig, MoeConfig, RopeConfig, RopeScaling } from "./config.ts";
import { checkConfig } from "./config.ts";

/** GGUF marks weights whose two kinds of expert routing it cannot tell apart by these sizes: GLM-4.7-Flash before the key existed. */
const GLM_FLASH = { layers: [47, 48], vocabSize: 154880 };
const GATING_SIGMOID = 2;
const MAX_SIZE = 2 ** 28;

/** Values of `general.architecture` that configFromGguf reads. */
export const GGUF_ARCHITECTURES = ["deepseek2", "qwen2", "llama"] as const;

export interface GgufConfig {
  readonly config: ModelConfig;
  /** Things a user should know, e.g. that group limits are missing from the file. */
  readonly notes: readonly string[];
}

/**
 * Reads the hyperparameters of a GGUF. Defaults apply only where the format's converters leave a key out on purpose.
 * @param ropeFactors contents of the tensor rope_freqs, if there is one
 * @throws ConfigError
 */
export function configFromGguf(
  metadata: GgufMetadata,
  tensors: ReadonlyMap<string, TensorEntry>,
  ropeFactors: readonly number[] | null,
): GgufConfig {
  const architecture = metadata.string("general.architecture");
  if (!(GGUF_ARCHITECTURES as readonly string[]).includes(architecture)) {
    const known = GGUF_ARCHITECTURES.join(", ");
    throw new ConfigError("general.architecture", `"${architecture}" is not supported; want one of ${known}`);
  }
  const keys = new ArchitectureKeys(metadata, architecture);
  const embedding = tensors.get("token_embd.weight");
  if (embedding?.shape.length !== 2) throw new ConfigError("token_embd.weight", "the embedding table is missing");
  const numNextnPredictLayers = keys.optionalCount("nextn_predict_layers") ?? 0;
  const blocks = keys.size("block_count");
  if (numNextnPredictLayers >= blocks) {
    throw new ConfigError(keys.name("nextn_predict_layers"), `${numNextnPredictLayers} of ${blocks} blocks`);
  }
  const notes: string[] = [];
  const isMla = architecture === "deepseek2";
  const hiddenSize = keys.size("embedding_length");
  const head = {
    modelType: architecture,
    vocabSize: embedding.shape[0]!,
    hiddenSize,
    numHiddenLayers: blocks - numNextnPredictLayers,
    intermediateSize: keys.size("feed_forward_length"),
    rmsNormEps: keys.number("attention.layer_norm_rms_epsilon"),
    maxPositionEmbeddings: keys.size("context_length"),
    tieWordEmbeddings: !tensors.has("output.weight"),
    numNextnPredictLayers,
  };
  if (!isMla) {
    const attention = gqaConfig(keys, hiddenSize, tensors);
    const pairs = architecture === "llama" ? "adjacent" : "half"; // the converter permutes Llama's q and k
    const rope = ropeConfig(keys, keys.optionalSize("rope.dimension_count") ?? attention.headDim, pairs, ropeFactors);
    return { config: checkConfig({ ...head, rope, attention, moe: null }, keys.fieldNames), notes };
  }
  const rope = ropeConfig(keys, keys.size("rope.dimension_count"), "adjacent", ropeFactors);
  const attention = mlaConfig(keys, rope);
  const moe = keys.optionalSize("expert_count") === null ? null : moeConfig(keys, head, tensors, notes);
  return { config: checkConfig({ ...head, rope, attention, moe }, keys.fieldNames), notes };
}

/** Metadata keys under `<architecture>.`, checked for range. */
class ArchitectureKeys {
  readonly #metadata: GgufMetadata;
  readonly #architecture: string;

  constructor(metadata: GgufMetadata, architecture: string) {
    this.#metadata = metadata;
    this.#architecture = architecture;
  }

  name(key: string): string {
    return `${this.#architecture}.${key}`;
  }

  get fieldNames(): FieldNames {
    return {
      layers: this.name("block_count"),
      heads: this.name("attention.head_count"),
      kvHeads: this.name("attention.head_count_kv"),
      ropeDim: this.name("rope.dimension_count"),
      experts: this.name("expert_count"),
      groups: this.name("expert_group_count"),
      topGroups: this.name("expert_group_used_count"),
      topK: this.name("expert_used_count"),
      firstDense: this.name("leading_dense_block_count"),
    };
  }

  size(key: string): number {
    return this.#integer(key, this.#metadata.number(this.name(key)), 1);
  }

  optionalSize(key: string): number | null {
    const value = this.#metadata.optionalNumber(this.name(key));
    return value === undefined ? null : this.#integer(key, value, 1);
  }

  optionalCount(key: string): number | null {
    const value = this.#metadata.optionalNumber(this.name(key));
    return value === undefined ? null : this.#integer(key, value, 0);
  }

  number(key: string): number {
    return this.#positive(key, this.#metadata.number(this.name(key)));
  }

  optionalNumber(key: string): number | null {
    const value = this.#metadata.optionalNumber(this.name(key));
    return value === undefined ? null : this.#positive(key, value);
  }

  optionalBool(key: string): boolean | null {
    return this.#metadata.optionalBool(this.name(key)) ?? null;
  }

  optionalString(key: string): string | null {
    return this.#metadata.optionalString(this.name(key)) ?? null;
  }

  #integer(key: string, value: number, min: number): number {
    if (Number.isInteger(value) && value >= min && value <= MAX_SIZE) return value;
    throw new ConfigError(this.name(key), `must be an integer from ${min} to ${MAX_SIZE}, got ${value}`);
  }

  #positive(key: string, value: number): number {
    if (value > 0 && Number.isFinite(value)) return value;
    throw new ConfigError(this.name(key), `must be a positive number, got ${value}`);
  }
}

function mlaConfig(keys: ArchitectureKeys, rope: RopeConfig): MlaConfig {
  // Files from before latent attention was a layout of its own have the per-head sizes under the plain names.
  const keyLength = keys.optionalSize("attention.key_length_mla") ?? keys.size("attention.key_length");
  const valueLength = keys.optionalSize("attention.value_length_mla") ?? keys.size("attention.value_length");
  const qkNopeHeadDim = keyLength - rope.dim;
  if (qkNopeHeadDim <= 0) {
    throw new ConfigError(keys.name("attention.key_length"), `${keyLength} is not more than the rotated ${rope.dim}`);
  }
  // yarn_log_multiplier is 0.1 * mscale_all_dim.
  const multiplier = rope.scaling?.type === "yarn" ? (keys.optionalNumber("rope.scaling.yarn_log_multiplier") ?? 0) : 0;
  const mscale = rope.scaling?.type === "yarn" ? 1 + multiplier * Math.log(rope.scaling.factor) : 1;
  return {
    kind: "mla",
    numHeads: keys.size("attention.head_count"),
    qLoraRank: keys.optionalSize("attention.q_lora_rank"),
    kvLoraRank: keys.size("attention.kv_lora_rank"),
    qkNopeHeadDim,
    qkRopeHeadDim: rope.dim,
    vHeadDim: valueLength,
    softmaxScale: keyLength ** -0.5 * mscale ** 2,
    indexer: null,
  };
}

function gqaConfig(keys: ArchitectureKeys, hiddenSize: number, tensors: ReadonlyMap<string, TensorEntry>): GqaConfig {
  const numHeads = keys.size("attention.head_count");
  const headDim = keys.optionalSize("attention.key_length") ?? hiddenSize / numHeads;
  if (!Number.isInteger(headDim)) {
    throw new ConfigError(keys.name("attention.head_count"), `${numHeads} does not divide ${hiddenSize}`);
  }
  const numKeyValueHeads = keys.optionalSize("attention.head_count_kv") ?? numHeads;
  return { kind: "gqa", numHeads, numKeyValueHeads, headDim, qkvBias: tensors.has("blk.0.attn_q.bias") };
}

function moeConfig(
  keys: ArchitectureKeys,
  head: { numHiddenLayers: number; vocabSize: number },
  tensors: ReadonlyMap<string, TensorEntry>,
  notes: string[],
): MoeConfig {
  const glmFlash = GLM_FLASH.layers.includes(head.numHiddenLayers) && head.vocabSize === GLM_FLASH.vocabSize;
  const gating = keys.optionalSize("expert_gating_func") ?? (glmFlash ? GATING_SIGMOID : 1);
  if (gating > GATING_SIGMOID) {
    throw new ConfigError(keys.name("expert_gating_func"), `${gating} is unknown; want 1 (softmax) or 2 (sigmoid)`);
  }
  const scoring = gating === GATING_SIGMOID ? "sigmoid" : "softmax";
  const count = keys.optionalSize("expert_group_count");
  if (count === null && scoring === "sigmoid") {
    notes.push(`${keys.name("expert_group_count")} is missing: experts are chosen without group limits`);
  }
  const routing: Routing = {
    scoring,
    topK: keys.size("expert_used_count"),
    groups:
      count !== null && count > 1
        ? { count, topGroups: keys.size("expert_group_used_count"), score: scoring === "sigmoid" ? "sumOfTop2" : "max" }
        : null,
    normalize: keys.optionalBool("expert_weights_norm") ?? false,
    scale: keys.optionalNumber("expert_weights_scale") ?? 1,
  };
  const firstKDenseReplace = keys.optionalCount("leading_dense_block_count") ?? 0;
  return {
    numRoutedExperts: keys.size("expert_count"),
    numSharedExperts: keys.optionalCount("expert_shared_count") ?? 0,
    intermediateSize: keys.size("expert_feed_forward_length"),
    firstKDenseReplace,
    routing,
    scoreCorrectionBias: tensors.has(`blk.${firstKDenseReplace}.exp_probs_b.bias`),
  };
}

function ropeConfig(
  keys: ArchitectureKeys,
  dim: number,
  pairs: RopePairs,
  ropeFactors: readonly number[] | null,
): RopeConfig {
  return { theta: keys.number("rope.freq_base"), dim, pairs, scaling: ropeScaling(keys, dim, ropeFactors) };
}

function ropeScaling(keys: ArchitectureKeys, dim: number, factors: readonly number[] | null): RopeScaling | null {
  if (factors) {
    if (factors.length !== dim / 2 || !factors.every((f) => f > 0 && Number.isFinite(f))) {
      throw new ConfigError("rope_freqs.weight", `want ${dim / 2} positive factors, got ${factors.length} values`);
    }
    return { type: "factors", factors };
  }
  const type = keys.optionalString("rope.scaling.type") ?? "none";
  if (type === "none") return null;
  const factor = keys.number("rope.scaling.factor");
  if (type === "linear") return { type, factor };
  if (type !== "yarn") {
    throw new ConfigError(keys.name("rope.scaling.type"), `"${type}" is not supported; want yarn, linear or none`);
  }
  const isMla = keys.optionalSize("attention.kv_lora_rank") !== null;
  return {
    type,
    factor,
    originalMaxPositionEmbeddings: keys.size("rope.scaling.original_context_length"),
    betaFast: keys.optionalNumber("rope.scaling.yarn_beta_fast") ?? 32,
    betaSlow: keys.optionalNumber("rope.scaling.yarn_beta_slow") ?? 1,
    magnitude: isMla ? 1 : (keys.optionalNumber("rope.scaling.attn_factor") ?? 1) * (0.1 * Math.log(factor) + 1),
  };
}
