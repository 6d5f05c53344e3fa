import type { GgufValue } from "../formats/gguf-values.ts";
import type { TensorContent } from "../formats/tensor-content.ts";
import type { ModelConfig } from "../model/config.ts";
import { encodeBf16, encodeF16, encodeF32, encodeQ8_0 } from "../tensor/decode/encode.ts";
import { rowBytes } from "../tensor/dtype.ts";
import type { EncodedType, Encoder } from "../tensor/encoder.ts";
import { GGUF_TOKEN_TYPES } from "../tokenizer/tokenizer-gguf.ts";
import { ggufHyperparameters } from "./hf-to-gguf.ts";
import { type FileType, RECIPES, staysExact, typeByName, typeForRows } from "./quantize/recipe.ts";

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
export function syntheticMetadata(name: string, type: FileType): Map<string, GgufValue> {
  const metadata = ggufHyperparameters(SYNTHETIC_MODELS[name]!, "F32");
  metadata.set("general.name", { type: "string", value: name });
  metadata.set("general.file_type", { type: "u32", value: RECIPES[type].fileType });
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

/** A tensor's name, shape and, where it is not drawn from the pool, contents. */
interface Slot {
  readonly name: string;
  readonly shape: readonly number[];
  readonly value?: () => number;
}

/** Types that are encoded without an Encoder. */
const PLAIN: Partial<Record<EncodedType, (values: Float32Array) => Uint8Array>> = {
  F32: encodeF32,
  F16: encodeF16,
  BF16: encodeBf16,
  Q8_0: encodeQ8_0,
};

/** True where some tensor is of a type that only an Encoder writes. */
export function needsEncoder(name: string, type: FileType): boolean {
  return slots(name, new Random(0)).some((slot) => PLAIN[typeOf(slot, name, type)] === undefined);
}

/**
 * The tensors of a model that knows nothing: matrices N(0, 0.02), norms 1, selection bias N(0, 0.1); the same bytes for
 * the same seed. Each matrix has the type that `deepts quantize` would give it. Matrices are made of blocks drawn from a
 * pool that is encoded once, so writing is bound by the disk.
 * @param encoder may be null unless needsEncoder
 * @param onBytes told how many bytes each piece has
 */
export async function syntheticTensors(
  name: string,
  type: FileType,
  seed: number,
  encoder: Encoder | null,
  onBytes: (bytes: number) => void = () => {},
): Promise<TensorContent[]> {
  const random = new Random(seed);
  const values = Float32Array.from({ length: DRAW * POOL_DRAWS }, () => random.gaussian() * SCALE);
  const pools = new Map<EncodedType, BlockPool>();
  const all = slots(name, random).map((slot) => ({ ...slot, dtype: typeOf(slot, name, type) }));
  for (const dtype of new Set(all.map((slot) => slot.dtype))) {
    pools.set(dtype, new BlockPool(await encoded(values, dtype, encoder), rowBytes(dtype, DRAW)));
  }
  return all.map(({ name, shape, dtype, value }) => ({
    name,
    shape,
    dtype,
    data: () =>
      value === undefined
        ? pools.get(dtype)!.draw(elements(shape), random, onBytes)
        : encodeF32(Float32Array.from({ length: elements(shape) }, value)),
  }));
}

async function encoded(values: Float32Array, to: EncodedType, encoder: Encoder | null): Promise<Uint8Array> {
  const plain = PLAIN[to];
  if (plain) return plain(values);
  if (encoder === null) throw new Error(`${to} is written by an encoder only`);
  return encoder.encode({ from: "F32", bytes: new Uint8Array(values.buffer), columns: DRAW, to });
}

function typeOf({ name, shape }: Slot, model: string, type: FileType): EncodedType {
  if (staysExact(name, shape)) return "F32";
  const network = { layers: SYNTHETIC_MODELS[model]!.numHiddenLayers, tied: false };
  return typeForRows(typeByName(name, RECIPES[type], network), shape.at(-1)!);
}

function slots(model: string, random: Random): Slot[] {
  const config = SYNTHETIC_MODELS[model]!;
  const c = config.attention;
  const { moe } = config;
  if (c.kind !== "mla" || c.qLoraRank === null || !moe) throw new Error(`${model} is not of the shape written here`);
  const matrix = (name: string, ...shape: number[]): Slot => ({ name, shape });
  const ones = (name: string, length: number): Slot => ({ name, shape: [length], value: () => 1 });
  const { hiddenSize: hidden, vocabSize, intermediateSize: ff } = config;
  const all = [
    matrix("token_embd.weight", vocabSize, hidden),
    matrix("output.weight", vocabSize, hidden),
    ones("output_norm.weight", hidden),
  ];
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    const p = `blk.${layer}.`;
    all.push(
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
      all.push(
        matrix(`${p}ffn_gate.weight`, ff, hidden),
        matrix(`${p}ffn_up.weight`, ff, hidden),
        matrix(`${p}ffn_down.weight`, hidden, ff),
      );
      continue;
    }
    const { numRoutedExperts: experts, intermediateSize: inner } = moe;
    const shared = inner * moe.numSharedExperts;
    all.push(
      matrix(`${p}ffn_gate_inp.weight`, experts, hidden),
      { name: `${p}exp_probs_b.bias`, shape: [experts], value: () => random.gaussian() * BIAS_SCALE },
      matrix(`${p}ffn_gate_exps.weight`, experts, inner, hidden),
      matrix(`${p}ffn_up_exps.weight`, experts, inner, hidden),
      matrix(`${p}ffn_down_exps.weight`, experts, hidden, inner),
      matrix(`${p}ffn_gate_shexp.weight`, shared, hidden),
      matrix(`${p}ffn_up_shexp.weight`, shared, hidden),
      matrix(`${p}ffn_down_shexp.weight`, hidden, shared),
    );
  }
  return all;
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

  constructor(bytes: Uint8Array, drawBytes: number) {
    this.#bytes = bytes;
    this.#drawBytes = drawBytes;
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
