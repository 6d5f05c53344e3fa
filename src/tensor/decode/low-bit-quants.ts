import { f16ToNumber } from "./float-formats.ts";

// Types with one scale a block and codes of two bits or less. Source: ggml-common.h, block_tq1_0 to block_q2_0.

/** Ternary: five digits of base 3 a byte, stored as the fraction byte / 256; multiplying by 3^k brings digit k up. */
export function decodeTQ1_0(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 54, o += 256) {
    const d = f16ToNumber(bytes[at + 52]! | (bytes[at + 53]! << 8));
    decodeTrits(bytes, at, 32, 5, d, out, o);
    decodeTrits(bytes, at + 32, 16, 5, d, out, o + 160);
    decodeTrits(bytes, at + 48, 4, 4, d, out, o + 240);
  }
}

/** `digits` elements from each of `count` bytes; all first digits come before all second ones. */
function decodeTrits(
  bytes: Uint8Array,
  at: number,
  count: number,
  digits: number,
  d: number,
  out: Float32Array,
  o: number,
): void {
  for (let digit = 0, power = 1; digit < digits; digit++, power *= 3) {
    for (let i = 0; i < count; i++) {
      const fraction = (bytes[at + i]! * power) & 255;
      out[o + digit * count + i] = d * (((fraction * 3) >> 8) - 1);
    }
  }
}

/** w = d (q - 1), 256 codes of two bits: byte i of each half holds the elements i, 32 + i, 64 + i and 96 + i. */
export function decodeTQ2_0(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 66, o += 256) {
    const d = f16ToNumber(bytes[at + 64]! | (bytes[at + 65]! << 8));
    for (let sub = 0; sub < 8; sub++) {
      const from = at + (sub >> 2) * 32;
      const shift = (sub & 3) * 2;
      for (let i = 0; i < 32; i++) out[o + sub * 32 + i] = d * (((bytes[from + i]! >> shift) & 3) - 1);
    }
  }
}

/** w = d or -d, 128 codes of one bit in order. */
export function decodeQ1_0(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 18, o += 128) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    for (let i = 0; i < 128; i++) out[o + i] = (bytes[at + 2 + (i >> 3)]! >> (i & 7)) & 1 ? d : -d;
  }
}

/** w = d (q - 1), 64 codes of two bits in order. */
export function decodeQ2_0(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 18, o += 64) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    for (let i = 0; i < 64; i++) out[o + i] = d * (((bytes[at + 2 + (i >> 2)]! >> ((i & 3) * 2)) & 3) - 1);
  }
}
