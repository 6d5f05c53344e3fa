import { describe, expect, it } from "vitest";
import { fixture, NO_SHARED } from "../../test/shared-fixtures.ts";
import { ConfigError } from "../errors.ts";
import { openFolder } from "../formats/file-source.ts";
import { GgufMetadata } from "../formats/gguf-metadata.ts";
import type { GgufValue } from "../formats/gguf-values.ts";
import type { TensorEntry } from "../formats/tensor-file.ts";
import { openCheckpoint } from "./checkpoint.ts";
import type { ModelConfig } from "./config.ts";
import { configFromGguf } from "./config-gguf.ts";

type Keys = Readonly<Record<string, string | number | boolean>>;

/** What llama.cpp's converter writes for DeepSeek-V3. */
const V3: Keys = {
  "general.architecture": "deepseek2",
  "deepseek2.block_count": 61,
  "deepseek2.context_length": 163840,
  "deepseek2.embedding_length": 7168,
  "deepseek2.feed_forward_length": 18432,
  "deepseek2.attention.head_count": 128,
  "deepseek2.attention.head_count_kv": 1,
  "deepseek2.attention.layer_norm_rms_epsilon": 1e-6,
  "deepseek2.attention.q_lora_rank": 1536,
  "deepseek2.attention.kv_lora_rank": 512,
  "deepseek2.attention.key_length": 576,
  "deepseek2.attention.value_length": 512,
  "deepseek2.attention.key_length_mla": 192,
  "deepseek2.attention.value_length_mla": 128,
  "deepseek2.rope.dimension_count": 64,
  "deepseek2.rope.freq_base": 10000,
  "deepseek2.rope.scaling.type": "yarn",
  "deepseek2.rope.scaling.factor": 40,
  "deepseek2.rope.scaling.original_context_length": 4096,
  "deepseek2.rope.scaling.yarn_log_multiplier": 0.1,
  "deepseek2.leading_dense_block_count": 3,
  "deepseek2.expert_feed_forward_length": 2048,
  "deepseek2.expert_count": 256,
  "deepseek2.expert_used_count": 8,
  "deepseek2.expert_shared_count": 1,
  "deepseek2.expert_weights_scale": 2.5,
  "deepseek2.expert_weights_norm": true,
  "deepseek2.expert_gating_func": 2,
  "deepseek2.expert_group_count": 8,
  "deepseek2.expert_group_used_count": 4,
};

const QWEN2: Keys = {
  "general.architecture": "qwen2",
  "qwen2.block_count": 28,
  "qwen2.context_length": 131072,
  "qwen2.embedding_length": 3584,
  "qwen2.feed_forward_length": 18944,
  "qwen2.attention.head_count": 28,
  "qwen2.attention.head_count_kv": 4,
  "qwen2.attention.layer_norm_rms_epsilon": 1e-6,
  "qwen2.rope.freq_base": 10000,
};

const LLAMA: Keys = Object.fromEntries(
  Object.entries(QWEN2).map(([key, value]) => [key.replace("qwen2", "llama"), value === "qwen2" ? "llama" : value]),
);

const V3_TENSORS = {
  "token_embd.weight": [129280, 7168],
  "output.weight": [129280, 7168],
  "blk.3.exp_probs_b.bias": [256],
};
const GQA_TENSORS = {
  "token_embd.weight": [152064, 3584],
  "output.weight": [152064, 3584],
  "blk.0.attn_q.bias": [3584],
};

function read(keys: Keys, shapes: Readonly<Record<string, number[]>>, factors: number[] | null = null) {
  const metadata = Object.entries(keys).map(([key, value]): [string, GgufValue] => {
    if (typeof value === "string") return [key, { type: "string", value }];
    return [key, typeof value === "boolean" ? { type: "bool", value } : { type: "f64", value }];
  });
  const tensors = Object.entries(shapes).map(
    ([name, shape]) => [name, { name, shape } as unknown as TensorEntry] as const,
  );
  return configFromGguf(new GgufMetadata("m.gguf", new Map(metadata)), new Map(tensors), factors);
}

const readV3 = (change: Keys = {}, shapes: Readonly<Record<string, number[]>> = V3_TENSORS) =>
  read({ ...V3, ...change }, shapes);

function without(keys: Keys, ...left: string[]): Keys {
  return Object.fromEntries(Object.entries(keys).filter(([key]) => !left.includes(key)));
}

function refusedField(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).field;
  }
  return "none: it was read";
}

describe("the metadata of a GGUF", () => {
  it("describes DeepSeek-V3", () => {
    const { config, notes } = readV3();
    expect(notes).toEqual([]);
    expect(config).toEqual({
      modelType: "deepseek2",
      vocabSize: 129280,
      hiddenSize: 7168,
      numHiddenLayers: 61,
      intermediateSize: 18432,
      rmsNormEps: 1e-6,
      maxPositionEmbeddings: 163840,
      tieWordEmbeddings: false,
      numNextnPredictLayers: 0,
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
        softmaxScale: expect.closeTo(0.1352337788608801, 15),
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
    });
  });

  it("of a file from before the group keys routes without groups, and says so", () => {
    const keys = without(V3, "deepseek2.expert_group_count", "deepseek2.expert_group_used_count");
    const { config, notes } = read(keys, V3_TENSORS);
    expect(config.moe!.routing.groups).toBeNull();
    expect(notes).toEqual([expect.stringContaining("deepseek2.expert_group_count")]);
  });

  it("of a model with softmax routing needs no group keys", () => {
    const keys = without({ ...V3, "deepseek2.expert_gating_func": 1 }, "deepseek2.expert_group_count");
    expect(read(keys, V3_TENSORS)).toMatchObject({ config: { moe: { routing: { groups: null } } }, notes: [] });
  });

  it("of DeepSeek-V2 judges a group by its best expert", () => {
    const { config } = readV3({ "deepseek2.expert_gating_func": 1 });
    expect(config.moe!.routing).toMatchObject({ scoring: "softmax", groups: { score: "max" } });
  });

  it("without expert_gating_func means softmax, but for GLM-4.7-Flash by its layers and vocabulary", () => {
    const keys = without(V3, "deepseek2.expert_gating_func", "deepseek2.expert_group_count");
    const gating = (layers: number, vocabulary: number) => {
      const shapes = { ...V3_TENSORS, "token_embd.weight": [vocabulary, 7168] };
      return read({ ...keys, "deepseek2.block_count": layers }, shapes).config.moe!.routing.scoring;
    };
    expect(gating(61, 129280)).toBe("softmax");
    expect(gating(47, 154880)).toBe("sigmoid");
    expect(gating(48, 154880)).toBe("sigmoid");
    expect(gating(47, 151552)).toBe("softmax");
    expect(gating(46, 154880)).toBe("softmax");
  });

  it("of an older file has the sizes of a head under the plain names", () => {
    const old = without(V3, "deepseek2.attention.key_length_mla", "deepseek2.attention.value_length_mla");
    const sizes = { "deepseek2.attention.key_length": 192, "deepseek2.attention.value_length": 128 };
    expect(read({ ...old, ...sizes }, V3_TENSORS).config).toEqual(readV3().config);
  });

  it("counts the MTP layers among the blocks", () => {
    const { config } = readV3({ "deepseek2.block_count": 62, "deepseek2.nextn_predict_layers": 1 });
    expect(config).toMatchObject({ numHiddenLayers: 61, numNextnPredictLayers: 1 });
  });

  it("without an output tensor means a tied head", () => {
    const { "output.weight": _, ...tied } = V3_TENSORS;
    expect(readV3({}, tied).config.tieWordEmbeddings).toBe(true);
  });

  it("of Qwen2 rotates pairs (i, i + d/2), of Llama adjacent ones, since the converter permutes them", () => {
    expect(read(QWEN2, GQA_TENSORS).config).toMatchObject({
      rope: { dim: 128, pairs: "half", scaling: null },
      attention: { kind: "gqa", numHeads: 28, numKeyValueHeads: 4, headDim: 128, qkvBias: true },
      moe: null,
    });
    const { "blk.0.attn_q.bias": _, ...shapes } = GQA_TENSORS;
    expect(read(LLAMA, shapes).config).toMatchObject({ rope: { pairs: "adjacent" }, attention: { qkvBias: false } });
  });

  it("of Llama 3 takes its frequencies from the tensor rope_freqs", () => {
    const factors = Array.from({ length: 64 }, (_, i) => 1 + i / 8);
    expect(read(LLAMA, GQA_TENSORS, factors).config.rope.scaling).toEqual({ type: "factors", factors });
  });

  it("may scale linearly, or not at all", () => {
    expect(readV3({ "deepseek2.rope.scaling.type": "linear" }).config.rope.scaling).toEqual({
      type: "linear",
      factor: 40,
    });
    expect(readV3({ "deepseek2.rope.scaling.type": "none" }).config.rope.scaling).toBeNull();
  });
});

const FILE_DEFAULTS = [
  ...["attention.q_lora_rank", "rope.scaling.type", "rope.scaling.yarn_log_multiplier", "leading_dense_block_count"],
  ...["expert_count", "expert_shared_count", "expert_weights_scale", "expert_weights_norm", "expert_gating_func"],
  ...["expert_group_count", "attention.head_count_kv"],
  // The plain sizes are read instead, or not at all.
  ...["attention.key_length_mla", "attention.value_length_mla", "attention.key_length", "attention.value_length"],
].map((key) => `deepseek2.${key}`);

describe("a key of the metadata", () => {
  it.each(Object.keys(V3).filter((key) => !FILE_DEFAULTS.includes(key)))("%s must be there", (key) => {
    expect(refusedField(() => read(without(V3, key), V3_TENSORS))).toBe(key);
  });

  it.each(FILE_DEFAULTS)("%s may be left out", (key) => {
    expect(refusedField(() => read(without(V3, key), V3_TENSORS))).toBe("none: it was read");
  });

  it.each(Object.keys(QWEN2).filter((key) => key !== "qwen2.attention.head_count_kv"))("%s must be there", (key) => {
    expect(refusedField(() => read(without(QWEN2, key), GQA_TENSORS))).toBe(key);
  });

  const numbers = Object.keys(V3).filter(
    (key) => typeof V3[key] === "number" && !/head_count_kv|attention\.(key|value)_length$/.test(key),
  );
  it.each(numbers)("%s must be a number in range", (key) => {
    for (const wrong of [-1, Number.NaN, "8", true]) expect(refusedField(() => readV3({ [key]: wrong }))).toBe(key);
    if (!/eps|freq_base|scale|factor|log_multiplier/.test(key)) {
      for (const wrong of [1.5, 2 ** 40]) expect(refusedField(() => readV3({ [key]: wrong }))).toBe(key);
    }
  });

  it.each([
    { key: "general.architecture", value: "deepseek32" },
    { key: "general.architecture", value: 3 },
    { key: "deepseek2.expert_gating_func", value: 3 },
    { key: "deepseek2.expert_weights_norm", value: 1 },
    { key: "deepseek2.rope.scaling.type", value: "longrope" },
    { key: "deepseek2.nextn_predict_layers", value: 61 },
    { key: "deepseek2.rope.dimension_count", value: 63 },
    { key: "deepseek2.expert_group_count", value: 7 },
    { key: "deepseek2.expert_group_used_count", value: 9 },
    { key: "deepseek2.expert_used_count", value: 129 },
    { key: "deepseek2.leading_dense_block_count", value: 62 },
  ])("$key is refused when it is $value", ({ key, value }) => {
    expect(refusedField(() => readV3({ [key]: value }))).toBe(key);
  });

  it.each<{ change: Keys; field: string }>([
    { change: { "qwen2.attention.head_count": 27 }, field: "qwen2.attention.head_count" },
    { change: { "qwen2.attention.head_count_kv": 5 }, field: "qwen2.attention.head_count_kv" },
    { change: { "qwen2.rope.dimension_count": 256 }, field: "qwen2.rope.dimension_count" },
  ])("of Qwen2 is refused for $change", ({ change, field }) => {
    expect(refusedField(() => read({ ...QWEN2, ...change }, GQA_TENSORS))).toBe(field);
  });

  it("key_length is refused when nothing is left beside the rotated part", () => {
    const keys = without(V3, "deepseek2.attention.key_length_mla");
    const small = { ...keys, "deepseek2.attention.key_length": 64 };
    expect(refusedField(() => read(small, V3_TENSORS))).toBe("deepseek2.attention.key_length");
  });

  it("token_embd.weight must be a matrix, and rope_freqs one factor a pair", () => {
    expect(refusedField(() => readV3({}, {}))).toBe("token_embd.weight");
    expect(refusedField(() => readV3({}, { "token_embd.weight": [4] }))).toBe("token_embd.weight");
    expect(refusedField(() => read(LLAMA, GQA_TENSORS, [1, 2]))).toBe("rope_freqs.weight");
    expect(refusedField(() => read(LLAMA, GQA_TENSORS, Array(64).fill(0)))).toBe("rope_freqs.weight");
  });
});

describe("a GGUF and the checkpoint that it was made from", () => {
  it.for([
    { family: "v3-tiny", file: "v3-tiny-Q8_0.gguf" },
    { family: "v3-tiny", file: "v3-tiny-legacy-Q8_0.gguf" },
    { family: "moonlight-tiny", file: "moonlight-tiny-F32.gguf" },
    { family: "v2-lite-27", file: "v2-lite-27-F32.gguf" },
    { family: "kquant-tiny", file: "kquant-tiny-Q4_K_M.gguf" },
    { family: "qwen2-tiny", file: "qwen2-tiny-F32.gguf" },
  ])("say the same: $file", async ({ family, file }, { skip }) => {
    const folder = fixture(family);
    if (!folder || !fixture("gguf", file)) return skip(NO_SHARED);
    const [a, b] = [await openCheckpoint(openFolder(fixture("gguf")!), file), await openCheckpoint(openFolder(folder))];
    expect(rounded(a.config)).toEqual(rounded(b.config));
    await Promise.all([a.close(), b.close()]);
  });
});

/** Without what a GGUF cannot say; numbers as f32, which is how it stores them. */
function rounded(config: ModelConfig): unknown {
  const same = { ...config, modelType: "", numNextnPredictLayers: 0 };
  return JSON.parse(
    JSON.stringify(same, (_, value) => (typeof value === "number" ? Number(value.toPrecision(6)) : value)),
  );
}
