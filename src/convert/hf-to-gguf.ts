import { type GenerationDefaults, GGUF_MAX_NEW_TOKENS, GGUF_SAMPLING } from "../engine/text.ts";
import { ConfigError } from "../errors.ts";
import type { GgufValue } from "../formats/gguf-values.ts";
import type { TensorContent } from "../formats/tensor-content.ts";
import type { MlaConfig, ModelConfig } from "../model/config.ts";
import { isMoeLayer } from "../model/config.ts";
import type { LayerWeightName, ModelWeights } from "../model/weights.ts";
import { GGUF_LAYER_TENSORS } from "../model/weights-gguf.ts";
import { encodeF16, encodeF32, encodeQ8_0 } from "../tensor/decode/encode.ts";
import { readWeight } from "../tensor/decode/read-weight.ts";
import { DTYPES } from "../tensor/dtype.ts";
import type { WeightSource } from "../tensor/weight.ts";
import type { TokenizerSpec } from "../tokenizer/spec.ts";
import { GGUF_PRE_TOKENIZERS } from "../tokenizer/split-patterns.ts";
import { GGUF_TOKEN_TYPES } from "../tokenizer/tokenizer-gguf.ts";

/** Types the matrices can be written in; norms, router and biases are always F32. */
export type GgufTarget = "F32" | "F16" | "Q8_0";

/** A tensor as GGUF names it, in the values of the checkpoint. */
export interface GgufSource {
  readonly name: string;
  /** Of the stored values; null where they are put together in another order, and read() gives them. */
  readonly source: WeightSource | null;
  readonly shape: readonly number[];
  /** Written as F32 whatever the target is. */
  readonly exact: boolean;
  read(): Promise<Float32Array>;
}

const ENCODERS = { F32: encodeF32, F16: encodeF16, Q8_0: encodeQ8_0 } as const;

/** Always F32, as llama.cpp's converter has them: short, or decisive for which expert is chosen. */
const EXACT = new Set<LayerWeightName>([
  "attnNorm",
  "ffnNorm",
  "qANorm",
  "kvANorm",
  "router",
  "routerBias",
  "enorm",
  "hnorm",
  "mtpHeadNorm",
]);

/**
 * The tensors of a GGUF file for a network with latent attention, the MTP layers as further blocks behind the decoder's
 * (`nextn.*`). Copies of embedding and head among the MTP weights are left out. Each tensor is read when its turn comes.
 */
export async function ggufSources(config: ModelConfig, weights: ModelWeights): Promise<GgufSource[]> {
  const tensors = [matrix("token_embd.weight", weights.embed), exact("output_norm.weight", weights.finalNorm)];
  if (!config.tieWordEmbeddings) tensors.push(matrix("output.weight", weights.head));
  for (let layer = 0; layer < config.numHiddenLayers + config.numNextnPredictLayers; layer++) {
    for (const name of layerWeights(config, layer)) {
      const ggufName = `blk.${layer}.${GGUF_LAYER_TENSORS[name]}`;
      const source = weights.layer(layer, name);
      tensors.push(EXACT.has(name) ? exact(ggufName, source) : matrix(ggufName, source));
    }
    tensors.push(...kvB(weights, layer));
    for (const [name, main] of [
      ["mtpEmbed", weights.embed],
      ["mtpHead", weights.head],
    ] as const) {
      if (!weights.has(layer, name)) continue;
      const source = weights.layer(layer, name);
      if (!(await sameValues(source, main))) tensors.push(matrix(`blk.${layer}.${GGUF_LAYER_TENSORS[name]}`, source));
    }
  }
  return tensors;
}

/** A tensor as it is written. Rows that are not whole blocks of the target are written as F16. */
export function ggufContent({ name, shape, exact, read }: GgufSource, target: GgufTarget): TensorContent {
  const wanted = exact ? "F32" : target;
  const dtype = shape.at(-1)! % DTYPES[wanted].blockElements === 0 ? wanted : "F16";
  return { name, dtype, shape, data: async () => ENCODERS[dtype](await read()) };
}

/** Hyperparameters as llama.cpp's converter writes them. @throws ConfigError for a network that `deepseek2` cannot describe */
export function ggufHyperparameters(config: ModelConfig, target: GgufTarget): Map<string, GgufValue> {
  const { attention: c, rope, moe } = config;
  if (c.kind !== "mla" || c.indexer)
    throw new ConfigError("model_type", `${config.modelType} cannot be written as GGUF deepseek2`);
  const out = new Map<string, GgufValue>();
  const put = (key: string, value: GgufValue) => out.set(`deepseek2.${key}`, value);
  out.set("general.architecture", string("deepseek2"));
  out.set("general.file_type", u32({ F32: 0, F16: 1, Q8_0: 7 }[target]));
  out.set("general.quantization_version", u32(2));
  put("block_count", u32(config.numHiddenLayers + config.numNextnPredictLayers));
  if (config.numNextnPredictLayers > 0) put("nextn_predict_layers", u32(config.numNextnPredictLayers));
  put("context_length", u32(config.maxPositionEmbeddings));
  put("embedding_length", u32(config.hiddenSize));
  put("feed_forward_length", u32(config.intermediateSize));
  put("vocab_size", u32(config.vocabSize));
  put("attention.layer_norm_rms_epsilon", f32(config.rmsNormEps));
  putAttention(put, c);
  put("rope.dimension_count", u32(rope.dim));
  put("rope.freq_base", f32(rope.theta));
  if (rope.scaling?.type === "yarn") {
    const { factor, originalMaxPositionEmbeddings, betaFast, betaSlow } = rope.scaling;
    const mscale = Math.sqrt(c.softmaxScale * (c.qkNopeHeadDim + c.qkRopeHeadDim) ** 0.5);
    put("rope.scaling.type", string("yarn"));
    put("rope.scaling.factor", f32(factor));
    put("rope.scaling.original_context_length", u32(originalMaxPositionEmbeddings));
    put("rope.scaling.yarn_beta_fast", f32(betaFast));
    put("rope.scaling.yarn_beta_slow", f32(betaSlow));
    put("rope.scaling.yarn_log_multiplier", f32((mscale - 1) / Math.log(factor)));
  } else if (rope.scaling) {
    throw new ConfigError("rope_scaling.type", `${rope.scaling.type} cannot be written as GGUF deepseek2`);
  }
  put("leading_dense_block_count", u32(moe?.firstKDenseReplace ?? config.numHiddenLayers));
  if (!moe) return out;
  put("expert_count", u32(moe.numRoutedExperts));
  put("expert_used_count", u32(moe.routing.topK));
  put("expert_shared_count", u32(moe.numSharedExperts));
  put("expert_feed_forward_length", u32(moe.intermediateSize));
  put("expert_group_count", u32(moe.routing.groups?.count ?? 1));
  put("expert_group_used_count", u32(moe.routing.groups?.topGroups ?? 1));
  put("expert_gating_func", u32(moe.routing.scoring === "sigmoid" ? 2 : 1));
  put("expert_weights_norm", { type: "bool", value: moe.routing.normalize });
  put("expert_weights_scale", f32(moe.routing.scale));
  return out;
}

function putAttention(put: (key: string, value: GgufValue) => void, c: MlaConfig): void {
  put("attention.head_count", u32(c.numHeads));
  put("attention.head_count_kv", u32(1)); // the absorbed form: all heads share one latent
  put("attention.key_length", u32(c.kvLoraRank + c.qkRopeHeadDim));
  put("attention.value_length", u32(c.kvLoraRank));
  put("attention.key_length_mla", u32(c.qkNopeHeadDim + c.qkRopeHeadDim));
  put("attention.value_length_mla", u32(c.vHeadDim));
  put("attention.kv_lora_rank", u32(c.kvLoraRank));
  if (c.qLoraRank !== null) put("attention.q_lora_rank", u32(c.qLoraRank));
}

/**
 * Vocabulary, chat template and generation defaults.
 * @param vocabSize rows of the embedding; ids without a token are written as unused
 * @throws ConfigError when GGUF has no name for the way the tokenizer splits text
 */
export function ggufText(
  spec: TokenizerSpec,
  vocabSize: number,
  chatTemplate: string | null,
  defaults: GenerationDefaults,
): Map<string, GgufValue> {
  const steps = JSON.stringify(spec.preTokenizer);
  const pre = Object.entries(GGUF_PRE_TOKENIZERS).find(([, known]) => JSON.stringify(known.steps) === steps)?.[0];
  if (!pre || spec.merges.kind !== "list")
    throw new ConfigError("pre_tokenizer", "GGUF has no name for the way this tokenizer splits text");
  const tokens = Array.from({ length: vocabSize }, (_, id) => spec.tokens[id] ?? `[PAD${id}]`);
  const types = Array.from({ length: vocabSize }, (_, id) =>
    spec.tokens[id] ? GGUF_TOKEN_TYPES.normal : GGUF_TOKEN_TYPES.unused,
  ) as number[];
  for (const { id, content, special } of spec.addedTokens) {
    tokens[id] = content;
    types[id] = special ? GGUF_TOKEN_TYPES.control : GGUF_TOKEN_TYPES.userDefined;
  }
  const merges = spec.merges.pairs.map((pair) => (typeof pair === "string" ? pair : pair.join(" ")));
  const out = new Map<string, GgufValue>([
    ["tokenizer.ggml.model", string("gpt2")],
    ["tokenizer.ggml.pre", string(pre)],
    ["tokenizer.ggml.tokens", { type: "array", of: "string", value: tokens }],
    ["tokenizer.ggml.token_type", { type: "array", of: "i32", value: types }],
    ["tokenizer.ggml.merges", { type: "array", of: "string", value: merges }],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: spec.addBos }],
    ["tokenizer.ggml.add_eos_token", { type: "bool", value: false }],
  ]);
  if (spec.bosId !== null) out.set("tokenizer.ggml.bos_token_id", u32(spec.bosId));
  if (spec.eosId !== null) out.set("tokenizer.ggml.eos_token_id", u32(spec.eosId));
  if (chatTemplate !== null) out.set("tokenizer.chat_template", string(chatTemplate));
  for (const [key, field] of Object.entries(GGUF_SAMPLING)) {
    const value = defaults.sampling[field];
    if (value !== undefined)
      out.set(key, Number.isInteger(value) && field !== "temperature" ? { type: "i32", value } : f32(value));
  }
  if (defaults.maxTokens !== null) out.set(GGUF_MAX_NEW_TOKENS, u32(defaults.maxTokens));
  return out;
}

/** Everything of a layer but kv_b and the MTP copies. */
function layerWeights(config: ModelConfig, layer: number): LayerWeightName[] {
  const c = config.attention as MlaConfig;
  const moe = isMoeLayer(config, layer);
  return [
    "attnNorm",
    ...(c.qLoraRank === null ? (["q"] as const) : (["qA", "qANorm", "qB"] as const)),
    "kvA",
    "kvANorm",
    "o",
    "ffnNorm",
    ...(moe ? (["router", "expertsGate", "expertsUp", "expertsDown"] as const) : (["gate", "up", "down"] as const)),
    ...(moe && config.moe!.scoreCorrectionBias ? (["routerBias"] as const) : []),
    ...(moe && config.moe!.numSharedExperts > 0 ? (["sharedGate", "sharedUp", "sharedDown"] as const) : []),
    ...(layer >= config.numHiddenLayers ? (["enorm", "hnorm", "ehProj", "mtpHeadNorm"] as const) : []),
  ];
}

/** GGUF has the key half transposed: [heads, latent, nope]. */
function kvB(weights: ModelWeights, layer: number): GgufSource[] {
  const { key, keyLayout, value } = weights.kvB(layer);
  const valueTensor = matrix(`blk.${layer}.attn_v_b.weight`, value);
  const name = `blk.${layer}.attn_k_b.weight`;
  if (keyLayout === "latentMajor") return [matrix(name, key), valueTensor];
  const [heads, nope, latent] = key.shape as [number, number, number];
  const read = async () => {
    const from = await readWeight(key);
    const out = new Float32Array(from.length);
    for (let h = 0; h < heads; h++) {
      for (let n = 0; n < nope; n++) {
        for (let c = 0; c < latent; c++) out[(h * latent + c) * nope + n] = from[(h * nope + n) * latent + c]!;
      }
    }
    return out;
  };
  return [{ name, source: null, shape: [heads, latent, nope], exact: false, read }, valueTensor];
}

function exact(name: string, source: WeightSource): GgufSource {
  return { name, source, shape: source.shape, exact: true, read: () => readWeight(source) };
}

function matrix(name: string, source: WeightSource): GgufSource {
  return { ...exact(name, source), exact: false };
}

async function sameValues(a: WeightSource, b: WeightSource): Promise<boolean> {
  if (a.shape.join() !== b.shape.join()) return false;
  const [left, right] = [await readWeight(a), await readWeight(b)];
  return left.every((value, i) => value === right[i]);
}

function u32(value: number): GgufValue {
  return { type: "u32", value };
}

function f32(value: number): GgufValue {
  return { type: "f32", value };
}

function string(value: string): GgufValue {
  return { type: "string", value };
}
