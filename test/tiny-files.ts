import type { GgufValue } from "../src/formats/gguf-values.ts";
import { ggufChunks } from "../src/formats/gguf-writer.ts";
import { safetensorsChunks } from "../src/formats/safetensors-writer.ts";
import type { TensorContent } from "../src/formats/tensor-content.ts";
import type { StoredType } from "../src/formats/tensor-file.ts";

/** All pieces as one array. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const chunk of chunks) pieces.push(chunk);
  return new Uint8Array(Buffer.concat(pieces));
}

/** A tensor whose bytes count up from `first`. */
export function countingTensor(
  name: string,
  dtype: StoredType,
  shape: number[],
  byteLength: number,
  first = 0,
): TensorContent {
  return { name, dtype, shape, data: () => Uint8Array.from({ length: byteLength }, (_, i) => first + i) };
}

/** One value of every metadata type, with lists and lists of lists. */
export const everyValue: ReadonlyMap<string, GgufValue> = new Map<string, GgufValue>([
  ["general.architecture", { type: "string", value: "deepseek2" }],
  ["general.alignment", { type: "u32", value: 64 }],
  ["a.u8", { type: "u8", value: 255 }],
  ["a.i8", { type: "i8", value: -128 }],
  ["a.u16", { type: "u16", value: 65535 }],
  ["a.i16", { type: "i16", value: -32768 }],
  ["a.u32", { type: "u32", value: 4294967295 }],
  ["a.i32", { type: "i32", value: -2147483648 }],
  ["a.f32", { type: "f32", value: 0.5 }],
  ["a.f64", { type: "f64", value: 0.1 }],
  ["a.u64", { type: "u64", value: 2n ** 64n - 1n }],
  ["a.i64", { type: "i64", value: -(2 ** 40) }],
  ["a.bool", { type: "bool", value: true }],
  ["a.text", { type: "string", value: "déjà vu ｜▁ 😀" }],
  ["l.strings", { type: "array", of: "string", value: ["a", "", "ü"] }],
  ["l.u8", { type: "array", of: "u8", value: Uint8Array.of(1, 2, 3) }],
  ["l.i16", { type: "array", of: "i16", value: Int16Array.of(-1, 2) }],
  ["l.i32", { type: "array", of: "i32", value: Int32Array.of(-1, 2) }],
  ["l.f32", { type: "array", of: "f32", value: Float32Array.of(0.5, -2) }],
  ["l.f64", { type: "array", of: "f64", value: Float64Array.of(0.1) }],
  ["l.u64", { type: "array", of: "u64", value: [1, 2n ** 60n] }],
  ["l.bool", { type: "array", of: "bool", value: [true, false] }],
  ["l.empty", { type: "array", of: "f32", value: new Float32Array(0) }],
  [
    "l.nested",
    {
      type: "array",
      of: "array",
      value: [
        { type: "array", of: "u32", value: Uint32Array.of(7) },
        { type: "array", of: "string", value: ["x"] },
      ],
    },
  ],
]);

export const tinyTensors: readonly TensorContent[] = [
  countingTensor("token_embd.weight", "F32", [3, 4], 48),
  countingTensor("blk.0.attn_q.weight", "Q8_0", [2, 64], 136, 48),
  countingTensor("blk.0.ffn_gate_exps.weight", "F16", [2, 3, 4], 48, 9),
  countingTensor("blk.0.scale", "BF16", [], 2, 77),
  countingTensor("blk.0.empty", "F32", [0, 4], 0),
  countingTensor("ids", "I32", [2], 8, 5),
];

/** A GGUF file with every metadata type and tensors of several shapes. */
export function tinyGguf(): Promise<Uint8Array> {
  return collect(ggufChunks(everyValue, tinyTensors));
}

/** A safetensors file with several dtypes. */
export function tinySafetensors(): Promise<Uint8Array> {
  const tensors = [
    countingTensor("model.norm.weight", "BF16", [4], 8),
    countingTensor("model.embed_tokens.weight", "F32", [3, 4], 48, 8),
    countingTensor("model.layers.0.q_proj.weight", "F8_E4M3", [3, 5], 15, 56),
    countingTensor("model.layers.0.q_proj.weight_scale_inv", "F32", [1, 1], 4, 99),
    countingTensor("ids", "I64", [2], 16, 5),
    countingTensor("scalar", "F16", [], 2, 5),
    countingTensor("empty", "F32", [0], 0),
    countingTensor("nibbles", "F4", [2, 3], 3),
  ];
  return collect(safetensorsChunks(tensors, { format: "pt", note: "é" }));
}
