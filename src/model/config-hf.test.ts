import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DEEPSEEK_V2,
  DEEPSEEK_V2_LITE,
  DEEPSEEK_V3,
  DEEPSEEK_V32,
  GLM_47_FLASH,
  KIMI_K2,
  R1_DISTILL_LLAMA_8B,
  R1_DISTILL_QWEN_7B,
} from "../../test/published-configs.ts";
import { ConfigError } from "../errors.ts";
import { configFromHf, fp8BlockSize } from "./config-hf.ts";

type Json = Readonly<Record<string, unknown>>;

const parse = (json: unknown) => configFromHf(json, "config.json");

/** The field that a config is refused for. */
function refusedField(json: unknown): string {
  try {
    parse(json);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message).toContain((error as ConfigError).field);
    return (error as ConfigError).field;
  }
  return "none: it was read";
}

function without(json: Json, field: string): Json {
  return Object.fromEntries(Object.entries(json).filter(([name]) => name !== field));
}

const SIZES = [
  "vocab_size",
  "hidden_size",
  "num_hidden_layers",
  "intermediate_size",
  "max_position_embeddings",
  "num_attention_heads",
];
const MLA_SIZES = [...SIZES, "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "q_lora_rank"];
const MOE_SIZES = ["n_routed_experts", "n_shared_experts", "moe_intermediate_size", "num_experts_per_tok"];
const V3_SIZES = [...MLA_SIZES, ...MOE_SIZES, "n_group", "topk_group", "first_k_dense_replace"];
const NUMBERS = ["rms_norm_eps", "rope_theta"];
const MOE_OTHERS = ["routed_scaling_factor", "norm_topk_prob", "topk_method", "scoring_func"];

describe("the config.json of a released model", () => {
  it("DeepSeek-V3", () => {
    expect(parse(DEEPSEEK_V3)).toEqual({
      modelType: "deepseek_v3",
      vocabSize: 129280,
      hiddenSize: 7168,
      numHiddenLayers: 61,
      intermediateSize: 18432,
      rmsNormEps: 1e-6,
      maxPositionEmbeddings: 163840,
      tieWordEmbeddings: false,
      rope: {
        theta: 10000,
        dim: 64,
        pairs: "adjacent",
        scaling: {
          type: "yarn",
          factor: 40,
          originalMaxPositionEmbeddings: 4096,
          betaFast: 32,
          betaSlow: 1,
          magnitude: 1,
        },
      },
      attention: {
        kind: "mla",
        numHeads: 128,
        qLoraRank: 1536,
        kvLoraRank: 512,
        qkNopeHeadDim: 128,
        qkRopeHeadDim: 64,
        vHeadDim: 128,
        softmaxScale: expect.closeTo(0.1352337788608801, 15), // (0.1 ln 40 + 1)^2 / sqrt(192)
        indexer: null,
      },
      moe: {
        numRoutedExperts: 256,
        numSharedExperts: 1,
        intermediateSize: 2048,
        firstKDenseReplace: 3,
        routing: {
          scoring: "sigmoid",
          topK: 8,
          groups: { count: 8, topGroups: 4, score: "sumOfTop2" },
          normalize: true,
          scale: 2.5,
        },
        scoreCorrectionBias: true,
      },
      numNextnPredictLayers: 1,
    });
    expect(fp8BlockSize(DEEPSEEK_V3, "config.json")).toEqual([128, 128]);
  });

  it("DeepSeek-V2-Lite: one query projection, softmax without groups or bias, mscale 0.707", () => {
    expect(parse(DEEPSEEK_V2_LITE)).toMatchObject({
      attention: { qLoraRank: null, softmaxScale: expect.closeTo(0.11472138679292612, 15) },
      rope: { scaling: { magnitude: 1 } },
      moe: {
        numSharedExperts: 2,
        routing: { scoring: "softmax", topK: 6, groups: null, normalize: false, scale: 1 },
        scoreCorrectionBias: false,
      },
      numNextnPredictLayers: 0,
    });
    expect(fp8BlockSize(DEEPSEEK_V2_LITE, "config.json")).toBeNull();
  });

  it("DeepSeek-V2: groups judged by their best expert", () => {
    expect(parse(DEEPSEEK_V2).moe).toMatchObject({
      routing: { scoring: "softmax", topK: 6, groups: { count: 8, topGroups: 3, score: "max" }, scale: 16 },
      scoreCorrectionBias: false,
    });
  });

  it("DeepSeek-V3.2: an indexer", () => {
    expect(parse(DEEPSEEK_V32).attention).toMatchObject({ indexer: { numHeads: 64, headDim: 128, topK: 2048 } });
  });

  it("Kimi-K2: one group is none, both betas of YaRN are 1", () => {
    expect(parse(KIMI_K2)).toMatchObject({
      attention: { numHeads: 64, softmaxScale: expect.closeTo(0.13086079996295008, 15) },
      rope: { theta: 50000, scaling: { factor: 32, betaFast: 1, betaSlow: 1, magnitude: 1 } },
      moe: { numRoutedExperts: 384, routing: { groups: null, scale: 2.827 }, scoreCorrectionBias: true },
    });
  });

  it("GLM-4.7-Flash: heads of 192 + 64 for keys and 256 for values, no scaling", () => {
    expect(parse(GLM_47_FLASH)).toMatchObject({
      rmsNormEps: 1e-5,
      rope: { theta: 1000000, dim: 64, pairs: "adjacent", scaling: null },
      attention: { numHeads: 20, qLoraRank: 768, qkNopeHeadDim: 192, vHeadDim: 256, softmaxScale: 0.0625 },
      moe: { routing: { scoring: "sigmoid", topK: 4, groups: null, normalize: true, scale: 1.8 } },
      numNextnPredictLayers: 1,
    });
  });

  it("GLM-4.7-Flash does not need to name its router", () => {
    const { scoring_func: _, topk_method: __, ...rest } = { scoring_func: "", ...GLM_47_FLASH };
    expect(parse(rest)).toEqual(parse(GLM_47_FLASH));
  });

  it("R1-Distill-Qwen-7B: biases on q, k and v, pairs (i, i + d/2)", () => {
    expect(parse(R1_DISTILL_QWEN_7B)).toMatchObject({
      rope: { theta: 10000, dim: 128, pairs: "half", scaling: null },
      attention: { kind: "gqa", numHeads: 28, numKeyValueHeads: 4, headDim: 128, qkvBias: true },
      moe: null,
      numNextnPredictLayers: 0,
    });
  });

  it("R1-Distill-Llama-8B: Llama 3's frequencies, no biases", () => {
    expect(parse(R1_DISTILL_LLAMA_8B)).toMatchObject({
      rope: {
        scaling: {
          type: "llama3",
          factor: 8,
          lowFreqFactor: 1,
          highFreqFactor: 4,
          originalMaxPositionEmbeddings: 8192,
        },
      },
      attention: { kind: "gqa", numKeyValueHeads: 8, headDim: 128, qkvBias: false },
    });
  });

  it("rope_parameters, the form of transformers 5, means the same", () => {
    const { rope_scaling, rope_theta, ...rest } = R1_DISTILL_LLAMA_8B;
    expect(parse({ ...rest, rope_parameters: { ...rope_scaling, rope_theta } })).toEqual(parse(R1_DISTILL_LLAMA_8B));
  });
});

describe.each([
  { model: "DeepSeek-V3", json: DEEPSEEK_V3 as Json, sizes: V3_SIZES, others: [...NUMBERS, ...MOE_OTHERS] },
  {
    model: "DeepSeek-V2-Lite",
    json: DEEPSEEK_V2_LITE as Json,
    sizes: [...MLA_SIZES, ...MOE_SIZES, "first_k_dense_replace"],
    others: [...NUMBERS, ...MOE_OTHERS],
  },
  {
    model: "DeepSeek-V3.2",
    json: DEEPSEEK_V32 as Json,
    sizes: [...V3_SIZES, "index_n_heads", "index_head_dim", "index_topk"],
    others: [...NUMBERS, ...MOE_OTHERS],
  },
  {
    model: "R1-Distill-Qwen-7B",
    json: R1_DISTILL_QWEN_7B as Json,
    sizes: [...SIZES, "num_key_value_heads"],
    others: NUMBERS,
  },
])("the fields of $model", ({ json, sizes, others }) => {
  const required = ["model_type", ...sizes, ...others];

  it.each(required)("%s must be there", (field) => {
    expect(refusedField(without(json, field))).toBe(field);
  });

  it("can all be left out but the required ones", () => {
    for (const field of Object.keys(json)) {
      if (!required.includes(field)) expect(refusedField(without(json, field)), field).toBe("none: it was read");
    }
  });

  it.each(sizes)("%s must be a whole number in range", (field) => {
    for (const wrong of ["8", -1, 1.5, 2 ** 40, Number.NaN, true, [], {}]) {
      expect(refusedField({ ...json, [field]: wrong }), JSON.stringify(wrong)).toBe(field);
    }
  });

  it.each(NUMBERS)("%s must be a positive number", (field) => {
    for (const wrong of ["1", 0, -1, Number.POSITIVE_INFINITY, Number.NaN, false, null, []]) {
      expect(refusedField({ ...json, [field]: wrong }), JSON.stringify(wrong)).toBe(field);
    }
  });

  it("may hold anything, and are read or refused by name", () => {
    const fields = [...Object.keys(json), "rope_scaling", "quantization_config", "hidden_act", "head_dim"];
    fc.assert(
      fc.property(fc.constantFrom(...fields), fc.jsonValue({ maxDepth: 2 }), (field, value) => {
        const found = refusedField({ ...json, [field]: value });
        return found === "none: it was read" || found.length > 0;
      }),
      { numRuns: 300, seed: 7 },
    );
  });
});

describe("a config.json", () => {
  it("must be an object", () => {
    for (const json of [null, [], "x", 3, undefined]) expect(refusedField(json)).toBe("config.json");
  });

  it.each([
    { what: "an unknown architecture", change: { model_type: "mixtral" }, field: "model_type" },
    { what: "another activation", change: { hidden_act: "gelu" }, field: "hidden_act" },
    { what: "biases in attention", change: { attention_bias: true }, field: "attention_bias" },
    { what: "experts in every second layer", change: { moe_layer_freq: 2 }, field: "moe_layer_freq" },
    { what: "a partly rotated head", change: { partial_rotary_factor: 0.5 }, field: "partial_rotary_factor" },
    { what: "an unknown router", change: { topk_method: "sinkhorn" }, field: "topk_method" },
    { what: "an unknown score", change: { scoring_func: "relu" }, field: "scoring_func" },
    { what: "norm_topk_prob as a word", change: { norm_topk_prob: "true" }, field: "norm_topk_prob" },
    { what: "groups that do not divide the experts", change: { n_group: 7 }, field: "n_group" },
    { what: "more chosen groups than groups", change: { topk_group: 9 }, field: "topk_group" },
    { what: "more experts a token than there are", change: { num_experts_per_tok: 257 }, field: "num_experts_per_tok" },
    {
      what: "more experts a token than the chosen groups have",
      change: { num_experts_per_tok: 33, topk_group: 1 },
      field: "num_experts_per_tok",
    },
    { what: "more dense layers than layers", change: { first_k_dense_replace: 62 }, field: "first_k_dense_replace" },
    { what: "an odd number of rotated elements", change: { qk_rope_head_dim: 63 }, field: "qk_rope_head_dim" },
  ])("is refused for $what", ({ change, field }) => {
    expect(refusedField({ ...DEEPSEEK_V3, ...change })).toBe(field);
  });

  it.each([
    { change: { num_key_value_heads: 5 }, field: "num_key_value_heads" },
    { change: { num_attention_heads: 27, num_key_value_heads: 27 }, field: "num_attention_heads" },
    { change: { use_sliding_window: true }, field: "use_sliding_window" },
    { change: { head_dim: 63 }, field: "head_dim" },
  ])("of Qwen2 is refused for $change", ({ change, field }) => {
    expect(refusedField({ ...R1_DISTILL_QWEN_7B, ...change })).toBe(field);
  });

  it.each(["attention_bias", "mlp_bias"])("of Llama is refused for %s", (field) => {
    expect(refusedField({ ...R1_DISTILL_LLAMA_8B, [field]: true })).toBe(field);
  });

  it("of V3.2 is refused for an indexer head narrower than its rotated part", () => {
    expect(refusedField({ ...DEEPSEEK_V32, index_head_dim: 32 })).toBe("index_head_dim");
  });

  it.each(["awq", "gptq", "compressed-tensors", "bitsandbytes", "mxfp4"])(
    "is refused by name for %s weights",
    (method) => {
      const json = { ...DEEPSEEK_V3, quantization_config: { quant_method: method, bits: 4 } };
      expect(refusedField(json)).toBe("quantization_config.quant_method");
      expect(() => parse(json)).toThrow(method);
    },
  );

  it.each([
    { scheme: { quant_method: "fp8", fmt: "e5m2" }, field: "quantization_config.fmt" },
    { scheme: {}, field: "quantization_config.quant_method" },
    { scheme: "fp8", field: "quantization_config" },
  ])("is refused for the quantisation $scheme", ({ scheme, field }) => {
    expect(refusedField({ ...DEEPSEEK_V3, quantization_config: scheme })).toBe(field);
  });

  it.each([undefined, 128, [128], [128, 0], [128, 1.5], ["128", "128"], [1, 2, 3]])(
    "is refused for FP8 blocks of %j",
    (weight_block_size) => {
      const json = { quantization_config: { quant_method: "fp8", weight_block_size } };
      expect(() => fp8BlockSize(json, "config.json")).toThrow("quantization_config.weight_block_size");
    },
  );

  it.each([
    { change: { type: "dynamic" }, field: "rope_scaling.type" },
    { change: { type: 5 }, field: "rope_scaling.type" },
    { change: { factor: undefined }, field: "rope_scaling.factor" },
    { change: { factor: 0 }, field: "rope_scaling.factor" },
    { change: { original_max_position_embeddings: null }, field: "rope_scaling.original_max_position_embeddings" },
    { change: { beta_fast: "32" }, field: "rope_scaling.beta_fast" },
    { change: { mscale: -1 }, field: "rope_scaling.mscale" },
    { change: { mscale_all_dim: "1" }, field: "rope_scaling.mscale_all_dim" },
  ])("is refused for the rope_scaling $change", ({ change, field }) => {
    expect(refusedField({ ...DEEPSEEK_V3, rope_scaling: { ...DEEPSEEK_V3.rope_scaling, ...change } })).toBe(field);
  });

  it("may switch off experts, the query's latent and shared experts with null", () => {
    expect(parse({ ...DEEPSEEK_V3, n_routed_experts: null }).moe).toBeNull();
    expect(parse({ ...DEEPSEEK_V3, q_lora_rank: null }).attention).toMatchObject({ qLoraRank: null });
    expect(parse({ ...DEEPSEEK_V3, n_shared_experts: null }).moe).toMatchObject({ numSharedExperts: 0 });
  });
});

describe("YaRN's temperature", () => {
  const scaled = (change: Json, base: Json = DEEPSEEK_V3) =>
    parse({ ...base, rope_scaling: { type: "yarn", factor: 40, original_max_position_embeddings: 4096, ...change } });
  const mscale = (scale: number) => 0.1 * scale * Math.log(40) + 1;

  it("goes into the softmax scale by mscale_all_dim, squared, and what is left onto cos and sin", () => {
    const { attention, rope } = scaled({ mscale: 0.8, mscale_all_dim: 0.5 });
    expect(attention).toMatchObject({ softmaxScale: expect.closeTo(mscale(0.5) ** 2 / Math.sqrt(192), 14) });
    expect(rope.scaling).toMatchObject({ magnitude: expect.closeTo(mscale(0.8) / mscale(0.5), 14) });
  });

  it("goes onto cos and sin where there is no mscale_all_dim, and in networks without latent attention", () => {
    expect(scaled({}).attention).toMatchObject({ softmaxScale: expect.closeTo(192 ** -0.5, 15) });
    expect(scaled({}).rope.scaling).toMatchObject({ magnitude: expect.closeTo(mscale(1), 14) });
    expect(scaled({}, R1_DISTILL_QWEN_7B).rope.scaling).toMatchObject({ magnitude: expect.closeTo(mscale(1), 14) });
  });

  it("is taken as it is where the file states it", () => {
    expect(scaled({ attention_factor: 1.25 }, R1_DISTILL_QWEN_7B).rope.scaling).toMatchObject({ magnitude: 1.25 });
  });

  it("is none for a factor that shortens", () => {
    expect(scaled({ factor: 0.5 }).rope.scaling).toMatchObject({ magnitude: 1 });
  });
});
