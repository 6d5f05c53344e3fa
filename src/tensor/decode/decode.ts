import { type DType, rowBytes } from "../dtype.ts";
import { decodeBf16, decodeF8E4M3, decodeF16, decodeF32 } from "./floats.ts";
import { decodeMxfp4, decodeNvfp4 } from "./fp4-quants.ts";
import {
  decodeIQ1_M,
  decodeIQ1_S,
  decodeIQ2_S,
  decodeIQ2_XS,
  decodeIQ2_XXS,
  decodeIQ3_S,
  decodeIQ3_XXS,
  decodeIQ4_NL,
  decodeIQ4_XS,
} from "./i-quants.ts";
import { decodeQ2_K, decodeQ3_K, decodeQ4_K, decodeQ5_K, decodeQ6_K } from "./k-quants.ts";
import { decodeQ4_0, decodeQ4_1, decodeQ5_0, decodeQ5_1, decodeQ8_0 } from "./legacy-quants.ts";
import { decodeQ1_0, decodeQ2_0, decodeTQ1_0, decodeTQ2_0 } from "./low-bit-quants.ts";

const DECODERS: Record<DType, (bytes: Uint8Array, out: Float32Array) => void> = {
  F32: decodeF32,
  F16: decodeF16,
  BF16: decodeBf16,
  F8_E4M3: decodeF8E4M3,
  Q4_0: decodeQ4_0,
  Q4_1: decodeQ4_1,
  Q5_0: decodeQ5_0,
  Q5_1: decodeQ5_1,
  Q8_0: decodeQ8_0,
  Q2_K: decodeQ2_K,
  Q3_K: decodeQ3_K,
  Q4_K: decodeQ4_K,
  Q5_K: decodeQ5_K,
  Q6_K: decodeQ6_K,
  IQ2_XXS: decodeIQ2_XXS,
  IQ2_XS: decodeIQ2_XS,
  IQ3_XXS: decodeIQ3_XXS,
  IQ1_S: decodeIQ1_S,
  IQ4_NL: decodeIQ4_NL,
  IQ3_S: decodeIQ3_S,
  IQ2_S: decodeIQ2_S,
  IQ4_XS: decodeIQ4_XS,
  IQ1_M: decodeIQ1_M,
  TQ1_0: decodeTQ1_0,
  TQ2_0: decodeTQ2_0,
  MXFP4: decodeMxfp4,
  NVFP4: decodeNvfp4,
  Q1_0: decodeQ1_0,
  Q2_0: decodeQ2_0,
};

/**
 * Decodes whole blocks to f32, bit for bit as ggml does (little-endian hosts).
 * @param bytes blocks of one or more rows, exactly those of out.length elements
 * @throws RangeError when bytes and out do not match
 */
export function decodeBlocks(dtype: DType, bytes: Uint8Array, out: Float32Array): void {
  const want = rowBytes(dtype, out.length);
  if (bytes.length !== want) {
    throw new RangeError(`${dtype}: ${out.length} elements take ${want} bytes, got ${bytes.length}`);
  }
  DECODERS[dtype](bytes, out);
}
