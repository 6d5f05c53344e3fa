import type { GgufValue } from "../formats/gguf-values.ts";
import type { TensorContent } from "../formats/tensor-content.ts";
import type { ModelConfig } from "../model/config.ts";
import { encodeBf16, encodeF16, encodeF32, encodeQ8_0 } from "../tensor/decode/encode.ts";
import { rowBytes } from "../tensor/dtype.ts";
import { GGUF_TOKEN_TYPES } from "../tokenizer/tokenizer-gguf.ts";
import { ggufHyperparameters } from "./hf-to-gguf.ts";

/** Types that the matrices can be written in, with llama.cpp's number for a file of that type (enum llama_ftype). */
export const SYNTHETIC_TYPES = {
  F32: { encode: encodeF32, fileType: 0 },
  F16: { encode: encodeF16, fileType: 1 },
  BF16: { encode: encodeBf16, fileType: 32 },
  Q8_0: { encode: encodeQ8_0, fileType: 7 },
} as const;

export type SyntheticType = keyof typeof SYNTHETIC_TYPES;

const SCALE = 0.02;
const BIAS_SCALE = 0.1;

/** Dimensions of DeepSeek-V2-Lite with DeepSeek-V3's low-rank query and routing, and few layers. */
const LITE: ModelConfig = {
  modelType: "deepseek2",
  vocabSize: 129280,
  hiddenSize: 2048,
  numHiddenLayers: 6,
  intermediateSize: 10944,
  rmsNormEps: 1e-6,
  maxPositionEmbeddings: 16384,
  tieWordEmbeddings: false,
  rope: { theta: 50000, dim: 64, pairs: "adjacent", scaling: null },
  attention: {
    kind: "mla",
    numHeads: 16,
    qLoraRank: 768,
    kvLoraRank: 512,
    qkNopeHeadDim: 128,
    qkRopeHeadDim: 64,
    vHeadDim: 128,
    softmaxScale: (128 + 64) ** -0.5,
    indexer: null,
  },
  moe: {
    numRoutedExperts: 64,
    numSharedExperts: 2,
    intermediateSize: 1408,
    firstKDenseReplace: 1,
    routing: { topK: 6, scoring: "sigmoid", groups: null, normalize: true, scale: 2.446 },
    scoreCorrectionBias: true,
  },
  numNextnPredictLayers: 0,
};

/** Models for measuring, by name. `micro` has the same parts and is small enough for a test. */
export const SYNTHETIC_MODELS: Readonly<Record<string, ModelConfig>> = {
  lite6: LITE,
  lite2: { ...LITE, numHiddenLayers: 2 },
  micro: {
    ...LITE,
    vocabSize: 512,
    hiddenSize: 256,
    numHiddenLayers: 2,
    intermediateSize: 512,
    moe: { ...LITE.moe!, numRoutedExperts: 8, intermediateSize: 256, routing: { ...LITE.moe!.routing, topK: 2 } },
  },
};

/** Metadata without a tokenizer. */
export function syntheticMetadata(name: string, type: SyntheticType): Map<string, GgufValue> {
  const metadata = ggufHyperparameters(SYNTHETIC_MODELS[name]!, "F32");
  metadata.set("general.name", { type: "string", value: name });
  metadata.set("general.file_type", { type: "u32", value: SYNTHETIC_TYPES[type].fileType });
  return metadata;
}

/** A vocabulary of names only, for where the real one is not at hand: speeds do not depend on it. */
export function placeholderText(vocabSize: number): Map<string, GgufValue> {
  const tokens = Array.from({ length: vocabSize }, (_, id) => `[PAD${id}]`);
  const types = tokens.map(() => GGUF_TOKEN_TYPES.unused as number);
  return new Map<string, GgufValue>([
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: "deepseek-v3" }],
    ["tokenizer.ggml.tokens", { type: "array", of: "string", value: tokens }],
    ["tokenizer.ggml.token_type", { type: "array", of: "i32", value: types }],
    ["tokenizer.ggml.merges", { type: "array", of: "string", value: [] }],
    ["tokenizer.ggml.bos_token_id", { type: "u32", value: 0 }],
    ["tokenizer.ggml.eos_token_id", { type: "u32", value: 1 }],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: true }],
  ]);
}

/**
 * The tensors of a model that knows nothing: matrices N(0, 0.02), norms 1, selection bias N(0, 0.1); the same bytes for
 * the same seed. Matrices are made of blocks drawn from a pool that is encoded once, so writing is bound by the disk.
 * @param onBytes told how many bytes each piece has
 */
export function syntheticTensors(
  name: string,
  type: SyntheticType,
  seed: number,
  onBytes: (bytes: number) => void = () => {},
): TensorContent[] {
  const config = SYNTHETIC_MODELS[name]!;
  const c = config.attention;
  const { moe } = config;
  if (c.kind !== "mla" || c.qLoraRank === null || !moe) throw new Error(`${name} is not of the shape written here`);
  const random = new Random(seed);
  const pool = BlockPool.create(type, random);
  const exactPool = type === "F32" ? pool : BlockPool.create("F32", random);
  const matrix = (tensor: string, ...shape: number[]): TensorContent => ({
    name: tensor,
    dtype: type,
    shape,
    data: () => pool.draw(elements(shape), random, onBytes),
  });
  const exact = (tensor: string, ...shape: number[]): TensorContent => ({
    name: tensor,
    dtype: "F32",
    shape,
    data: () => exactPool.draw(elements(shape), random, onBytes),
  });
  const filled = (tensor: string, length: number, value: () => number): TensorContent => ({
    name: tensor,
    dtype: "F32",
    shape: [length],
    data: () => encodeF32(Float32Array.from({ length }, value)),
  });
  const ones = (tensor: string, length: number) => filled(tensor, length, () => 1);
  const { hiddenSize: hidden, vocabSize, intermediateSize: ff } = config;
  const tensors = [
    matrix("token_embd.weight", vocabSize, hidden),
    matrix("output.weight", vocabSize, hidden),
    ones("output_norm.weight", hidden),
  ];
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    const p = `blk.${layer}.`;
    tensors.push(
      ones(`${p}attn_norm.weight`, hidden),
      ones(`${p}ffn_norm.weight`, hidden),
      ones(`${p}attn_kv_a_norm.weight`, c.kvLoraRank),
      ones(`${p}attn_q_a_norm.weight`, c.qLoraRank),
      matrix(`${p}attn_q_a.weight`, c.qLoraRank, hidden),
      matrix(`${p}attn_q_b.weight`, c.numHeads * (c.qkNopeHeadDim + c.qkRopeHeadDim), c.qLoraRank),
      matrix(`${p}attn_kv_a_mqa.weight`, c.kvLoraRank + c.qkRopeHeadDim, hidden),
      matrix(`${p}attn_k_b.weight`, c.numHeads, c.kvLoraRank, c.qkNopeHeadDim),
      matrix(`${p}attn_v_b.weight`, c.numHeads, c.vHeadDim, c.kvLoraRank),
      matrix(`${p}attn_output.weight`, hidden, c.numHeads * c.vHeadDim),
    );
    if (layer < moe.firstKDenseReplace) {
      tensors.push(
        matrix(`${p}ffn_gate.weight`, ff, hidden),
        matrix(`${p}ffn_up.weight`, ff, hidden),
        matrix(`${p}ffn_down.weight`, hidden, ff),
      );
      continue;
    }
    const { numRoutedExperts: experts, intermediateSize: inner } = moe;
    const shared = inner * moe.numSharedExperts;
    tensors.push(
      exact(`${p}ffn_gate_inp.weight`, experts, hidden),
      filled(`${p}exp_probs_b.bias`, experts, () => random.gaussian() * BIAS_SCALE),
      matrix(`${p}ffn_gate_exps.weight`, experts, inner, hidden),
      matrix(`${p}ffn_up_exps.weight`, experts, inner, hidden),
      matrix(`${p}ffn_down_exps.weight`, experts, hidden, inner),
      matrix(`${p}ffn_gate_shexp.weight`, shared, hidden),
      matrix(`${p}ffn_up_shexp.weight`, shared, hidden),
      matrix(`${p}ffn_down_shexp.weight`, hidden, shared),
    );
  }
  return tensors;
}

/** Elements of one draw: whole blocks of every type. */
const DRAW = 256;
const POOL_DRAWS = 8192;
/** Draws per piece that is written. */
const PIECE_DRAWS = 16384;

/** Gaussian values, encoded once; a matrix is any number of draws from it. */
class BlockPool {
  readonly #bytes: Uint8Array;
  readonly #drawBytes: number;

  private constructor(bytes: Uint8Array, drawBytes: number) {
    this.#bytes = bytes;
    this.#drawBytes = drawBytes;
  }

  static create(type: SyntheticType, random: Random): BlockPool {
    const values = Float32Array.from({ length: DRAW * POOL_DRAWS }, () => random.gaussian() * SCALE);
    return new BlockPool(SYNTHETIC_TYPES[type].encode(values), rowBytes(type, DRAW));
  }

  async *draw(count: number, random: Random, onBytes: (bytes: number) => void): AsyncGenerator<Uint8Array> {
    if (count % DRAW !== 0) throw new Error(`${count} elements are not whole draws of ${DRAW}`);
    const size = this.#drawBytes;
    for (let left = count / DRAW; left > 0; left -= PIECE_DRAWS) {
      const piece = new Uint8Array(Math.min(left, PIECE_DRAWS) * size);
      for (let at = 0; at < piece.length; at += size) {
        const from = random.below(POOL_DRAWS) * size;
        piece.set(this.#bytes.subarray(from, from + size), at);
      }
      onBytes(piece.length);
      yield piece;
    }
  }
}

/** xorshift32. Source: Marsaglia, Xorshift RNGs (2003). */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) | 1;
  }

  below(limit: number): number {
    return Math.floor(this.#uniform() * limit);
  }

  /** Box and Muller's transform. */
  gaussian(): number {
    return Math.sqrt(-2 * Math.log(this.#uniform())) * Math.cos(2 * Math.PI * this.#uniform());
  }

  /** Above 0, below 1. */
  #uniform(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return ((x >>> 0) + 0.5) / 2 ** 32;
  }
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}
