import type { RopePairs, Routing } from "../tensor/program.ts";
import type { FieldNames, GqaConfig, MlaConfig, ModelConfig, MoeConfig, RopeConfig, RopeScaling } from "./config.ts";
import { checkConfig, yarnMscale } from "./config.ts";
import { ConfigFields } from "./config-fields.ts";

const MLA_TYPES = ["deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "glm4_moe_lite"] as const;
const GQA_TYPES = ["qwen2", "llama"] as const;

/** Values of `model_type` that configFromHf reads. */
export const HF_MODEL_TYPES = [...MLA_TYPES, ...GQA_TYPES] as const;

const NAMES: FieldNames = {
  layers: "num_hidden_layers",
  heads: "num_attention_heads",
  kvHeads: "num_key_value_heads",
  ropeDim: "qk_rope_head_dim",
  experts: "n_routed_experts",
  groups: "n_group",
  topGroups: "topk_group",
  topK: "num_experts_per_tok",
  firstDense: "first_k_dense_replace",
};

/**
 * Reads a Hugging Face config.json. Every field that changes the result must be there; a field that asks for something
 * this engine does not compute is refused by name.
 * @throws ConfigError
 */
export function configFromHf(json: unknown, file: string): ModelConfig {
  const fields = new ConfigFields(json, file);
  const modelType = fields.oneOf("model_type", HF_MODEL_TYPES);
  fields.refuse("hidden_act", "silu");
  checkQuantization(fields);
  const isMla = (MLA_TYPES as readonly string[]).includes(modelType);
  const head = {
    modelType,
    vocabSize: fields.size("vocab_size"),
    hiddenSize: fields.size("hidden_size"),
    numHiddenLayers: fields.size("num_hidden_layers"),
    intermediateSize: fields.size("intermediate_size"),
    rmsNormEps: fields.number("rms_norm_eps"),
    maxPositionEmbeddings: fields.size("max_position_embeddings"),
    tieWordEmbeddings: fields.optionalBool("tie_word_embeddings") ?? false,
  };
  if (!isMla) {
    const attention = gqaConfig(fields, modelType, head.hiddenSize);
    const rope = ropeConfig(fields, attention.headDim, "half");
    const names = { ...NAMES, ropeDim: "head_dim" };
    return checkConfig({ ...head, rope, attention, moe: null, numNextnPredictLayers: 0 }, names);
  }
  fields.refuse("attention_bias", false);
  const interleaved = fields.optionalBool("rope_interleave") ?? true;
  const rope = ropeConfig(fields, fields.size("qk_rope_head_dim"), interleaved ? "adjacent" : "half");
  const attention = mlaConfig(fields, modelType, rope);
  // null means none; a config without these fields leaves open what the network is.
  const moe = fields.isNull("n_routed_experts") ? null : moeConfig(fields, modelType);
  const numNextnPredictLayers = fields.has("num_nextn_predict_layers") ? fields.count("num_nextn_predict_layers") : 0;
  return checkConfig({ ...head, rope, attention, moe, numNextnPredictLayers }, NAMES);
}

/** Rows and columns of the blocks that share one FP8 scale, or null for a checkpoint that is not FP8. */
export function fp8BlockSize(json: unknown, file: string): readonly [number, number] | null {
  const fields = new ConfigFields(json, file);
  if (!fields.has("quantization_config")) return null;
  const quantization = fields.object("quantization_config");
  const size = (json as { quantization_config: { weight_block_size?: unknown } }).quantization_config.weight_block_size;
  const valid = Array.isArray(size) && size.length === 2 && size.every((n) => Number.isInteger(n) && n > 0);
  if (!valid)
    throw quantization.error("weight_block_size", `must be two positive integers, got ${JSON.stringify(size)}`);
  return size as [number, number];
}

function checkQuantization(fields: ConfigFields): void {
  if (!fields.has("quantization_config")) return;
  const quantization = fields.object("quantization_config");
  const method = quantization.string("quant_method");
  if (method !== "fp8") {
    throw quantization.error(
      "quant_method",
      `"${method}" weights are not read; use the unquantised, FP8 or a GGUF form of the model`,
    );
  }
  quantization.refuse("fmt", "e4m3");
}

function mlaConfig(fields: ConfigFields, modelType: string, rope: RopeConfig): MlaConfig {
  const qkNopeHeadDim = fields.size("qk_nope_head_dim");
  const indexer =
    modelType === "deepseek_v32"
      ? {
          numHeads: fields.size("index_n_heads"),
          headDim: fields.size("index_head_dim"),
          topK: fields.size("index_topk"),
        }
      : null;
  if (indexer && indexer.headDim < rope.dim) {
    throw fields.error("index_head_dim", `${indexer.headDim} is less than qk_rope_head_dim ${rope.dim}`);
  }
  return {
    kind: "mla",
    numHeads: fields.size("num_attention_heads"),
    qLoraRank: fields.isNull("q_lora_rank") ? null : fields.size("q_lora_rank"),
    kvLoraRank: fields.size("kv_lora_rank"),
    qkNopeHeadDim,
    qkRopeHeadDim: rope.dim,
    vHeadDim: fields.size("v_head_dim"),
    softmaxScale: (qkNopeHeadDim + rope.dim) ** -0.5 * softmaxMscale(fields) ** 2,
    indexer,
  };
}

/** YaRN's factor on the query and on the key: DeepSeek puts it into the softmax scale. */
function softmaxMscale(fields: ConfigFields): number {
  const scaling = ropeFields(fields);
  if (!scaling || ropeType(scaling) !== "yarn" || !scaling.has("mscale_all_dim")) return 1;
  return yarnMscale(scaling.number("factor"), scaling.number("mscale_all_dim"));
}

function gqaConfig(fields: ConfigFields, modelType: string, hiddenSize: number): GqaConfig {
  const numHeads = fields.size("num_attention_heads");
  if (modelType === "llama") {
    fields.refuse("attention_bias", false);
    fields.refuse("mlp_bias", false);
  }
  fields.refuse("use_sliding_window", false);
  const headDim = fields.optionalSize("head_dim") ?? hiddenSize / numHeads;
  if (!Number.isInteger(headDim)) {
    throw fields.error("num_attention_heads", `${numHeads} does not divide hidden_size ${hiddenSize}`);
  }
  return {
    kind: "gqa",
    numHeads,
    numKeyValueHeads: fields.size("num_key_value_heads"),
    headDim,
    qkvBias: modelType === "qwen2",
  };
}

function moeConfig(fields: ConfigFields, modelType: string): MoeConfig {
  // GLM-4.7's architecture knows one router only, so its config.json does not name it.
  const glm = modelType === "glm4_moe_lite";
  const methods = ["greedy", "group_limited_greedy", "noaux_tc"] as const;
  const method = glm && !fields.has("topk_method") ? "noaux_tc" : fields.oneOf("topk_method", methods);
  const scoring = glm && !fields.has("scoring_func") ? "sigmoid" : fields.oneOf("scoring_func", ["softmax", "sigmoid"]);
  if (fields.has("moe_layer_freq")) fields.refuse("moe_layer_freq", 1);
  const grouped = method !== "greedy" && fields.size("n_group") > 1;
  const routing: Routing = {
    scoring,
    topK: fields.size("num_experts_per_tok"),
    groups: grouped
      ? {
          count: fields.size("n_group"),
          topGroups: fields.size("topk_group"),
          score: method === "noaux_tc" ? "sumOfTop2" : "max",
        }
      : null,
    normalize: fields.bool("norm_topk_prob"),
    scale: fields.number("routed_scaling_factor"),
  };
  return {
    numRoutedExperts: fields.size("n_routed_experts"),
    numSharedExperts: fields.isNull("n_shared_experts") ? 0 : fields.count("n_shared_experts"),
    intermediateSize: fields.size("moe_intermediate_size"),
    firstKDenseReplace: fields.count("first_k_dense_replace"),
    routing,
    scoreCorrectionBias: method === "noaux_tc",
  };
}

/** `rope_scaling`, or since transformers 5 `rope_parameters`. */
function ropeFields(fields: ConfigFields): ConfigFields | null {
  for (const name of ["rope_scaling", "rope_parameters"]) if (fields.has(name)) return fields.object(name);
  return null;
}

function ropeType(scaling: ConfigFields): string {
  return scaling.optionalString("rope_type") ?? scaling.optionalString("type") ?? "default";
}

function ropeConfig(fields: ConfigFields, dim: number, pairs: RopePairs): RopeConfig {
  const scaling = ropeFields(fields);
  const theta = scaling?.has("rope_theta") ? scaling.number("rope_theta") : fields.number("rope_theta");
  fields.refuse("partial_rotary_factor", 1);
  return { theta, dim, pairs, scaling: scaling && ropeScaling(fields, scaling) };
}

function ropeScaling(fields: ConfigFields, scaling: ConfigFields): RopeScaling | null {
  const type = ropeType(scaling);
  switch (type) {
    case "default":
      return null;
    case "linear":
      return { type, factor: scaling.number("factor") };
    case "yarn":
      return {
        type,
        factor: scaling.number("factor"),
        originalMaxPositionEmbeddings: scaling.size("original_max_position_embeddings"),
        // The two betas have the same default in the paper and in every implementation.
        betaFast: scaling.optionalNumber("beta_fast") ?? 32,
        betaSlow: scaling.optionalNumber("beta_slow") ?? 1,
        magnitude: yarnMagnitude(fields, scaling),
      };
    case "llama3":
      return {
        type,
        factor: scaling.number("factor"),
        lowFreqFactor: scaling.number("low_freq_factor"),
        highFreqFactor: scaling.number("high_freq_factor"),
        originalMaxPositionEmbeddings: scaling.size("original_max_position_embeddings"),
      };
    default:
      throw scaling.error("type", `"${type}" is not supported; want yarn, linear, llama3 or none`);
  }
}

/**
 * DeepSeek divides mscale by mscale_all_dim (the rest goes into the softmax scale); other models use YaRN's own
 * 0.1 ln(factor) + 1, or say it themselves.
 */
function yarnMagnitude(fields: ConfigFields, scaling: ConfigFields): number {
  const own = scaling.optionalNumber("attention_factor");
  if (own !== null) return own;
  const factor = scaling.number("factor");
  const isMla = fields.has("kv_lora_rank");
  const mscale = scaling.optionalNumber("mscale") ?? 1;
  const allDim = scaling.optionalNumber("mscale_all_dim");
  return isMla && allDim !== null
    ? yarnMscale(factor, mscale) / yarnMscale(factor, allDim)
    : yarnMscale(factor, mscale);
}
