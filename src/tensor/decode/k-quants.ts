import { f16ToNumber } from "./float-formats.ts";

// Blocks of 256 in sub-blocks of 16 or 32, whose small integer scales are multiplied by the block's f16 scale d.
// Every product of d, a sub-block scale and a code fits the 24 bits of an f32, so only the subtraction of a minimum
// rounds, and it does so once, when the element is stored. Source: ggml-common.h, block_q2_K to block_q6_K.

/** w = q (d scale) - dmin min, with 4-bit scale and min for each 16 elements. */
export function decodeQ2_K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 84, o += 256) {
    const codes = at + 16;
    const d = f16ToNumber(bytes[at + 80]! | (bytes[at + 81]! << 8));
    const dmin = f16ToNumber(bytes[at + 82]! | (bytes[at + 83]! << 8));
    for (let sub = 0; sub < 16; sub++) {
      const scale = d * (bytes[at + sub]! & 15);
      const min = dmin * (bytes[at + sub]! >> 4);
      const from = codes + (sub >> 3) * 32 + (sub & 1) * 16;
      const shift = ((sub >> 1) & 3) * 2;
      for (let i = 0; i < 16; i++) out[o + sub * 16 + i] = scale * ((bytes[from + i]! >> shift) & 3) - min;
    }
  }
}

/** w = d (scale - 32) (q - 4 unless the high bit is set), with 6-bit scales for each 16 elements. */
export function decodeQ3_K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 110, o += 256) {
    const codes = at + 32;
    const scales = at + 96;
    const d = f16ToNumber(bytes[at + 108]! | (bytes[at + 109]! << 8));
    for (let sub = 0; sub < 16; sub++) {
      const low = (bytes[scales + (sub & 7)]! >> ((sub >> 3) * 4)) & 15;
      const high = (bytes[scales + 8 + (sub & 3)]! >> ((sub >> 2) * 2)) & 3;
      const scale = d * ((low | (high << 4)) - 32);
      const highBits = at + (sub & 1) * 16;
      const from = codes + (sub >> 3) * 32 + (sub & 1) * 16;
      const shift = ((sub >> 1) & 3) * 2;
      const bit = sub >> 1;
      for (let i = 0; i < 16; i++) {
        const offset = (bytes[highBits + i]! >> bit) & 1 ? 0 : 4;
        out[o + sub * 16 + i] = scale * (((bytes[from + i]! >> shift) & 3) - offset);
      }
    }
  }
}

/** The 6-bit scale of sub-block `sub` of Q4_K and Q5_K; `scales` is where their 12 packed bytes start. */
function scaleOf(bytes: Uint8Array, scales: number, sub: number): number {
  if (sub < 4) return bytes[scales + sub]! & 63;
  return (bytes[scales + 4 + sub]! & 15) | ((bytes[scales + sub - 4]! >> 6) << 4);
}

/** The 6-bit minimum of sub-block `sub` of Q4_K and Q5_K. */
function minOf(bytes: Uint8Array, scales: number, sub: number): number {
  if (sub < 4) return bytes[scales + 4 + sub]! & 63;
  return (bytes[scales + 4 + sub]! >> 4) | ((bytes[scales + sub]! >> 6) << 4);
}

/** w = q (d scale) - dmin min, with 6-bit scale and min for each 32 elements. */
export function decodeQ4_K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 144, o += 256) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    const dmin = f16ToNumber(bytes[at + 2]! | (bytes[at + 3]! << 8));
    for (let sub = 0; sub < 8; sub++) {
      const scale = d * scaleOf(bytes, at + 4, sub);
      const min = dmin * minOf(bytes, at + 4, sub);
      const from = at + 16 + (sub >> 1) * 32;
      const shift = (sub & 1) * 4;
      for (let i = 0; i < 32; i++) out[o + sub * 32 + i] = scale * ((bytes[from + i]! >> shift) & 15) - min;
    }
  }
}

/** As Q4_K, with the fifth bit of element i of sub-block s in bit s of byte i. */
export function decodeQ5_K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 176, o += 256) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    const dmin = f16ToNumber(bytes[at + 2]! | (bytes[at + 3]! << 8));
    const highBits = at + 16;
    for (let sub = 0; sub < 8; sub++) {
      const scale = d * scaleOf(bytes, at + 4, sub);
      const min = dmin * minOf(bytes, at + 4, sub);
      const from = at + 48 + (sub >> 1) * 32;
      const shift = (sub & 1) * 4;
      for (let i = 0; i < 32; i++) {
        const q = ((bytes[from + i]! >> shift) & 15) | (((bytes[highBits + i]! >> sub) & 1) << 4);
        out[o + sub * 32 + i] = scale * q - min;
      }
    }
  }
}

/** w = d scale (q - 32), with signed 8-bit scales for each 16 elements. */
export function decodeQ6_K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 210, o += 256) {
    const d = f16ToNumber(bytes[at + 208]! | (bytes[at + 209]! << 8));
    for (let sub = 0; sub < 16; sub++) {
      const scale = d * ((bytes[at + 192 + sub]! << 24) >> 24);
      const half = sub >> 3;
      const quarter = (sub >> 1) & 3;
      const column = (sub & 1) * 16;
      const low = at + half * 64 + (quarter & 1) * 32 + column;
      const high = at + 128 + half * 32 + column;
      const lowShift = (quarter >> 1) * 4;
      const highShift = quarter * 2;
      for (let i = 0; i < 16; i++) {
        const q = ((bytes[low + i]! >> lowShift) & 15) | (((bytes[high + i]! >> highShift) & 3) << 4);
        out[o + sub * 16 + i] = scale * (q - 32);
      }
    }
  }
}
