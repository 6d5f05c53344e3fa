import { f16ToNumber } from "./float-formats.ts";

// Blocks of 32: an f16 scale d (and in the _1 types an f16 minimum m), then the codes. Four-bit codes are stored as 16
// bytes: the low nibbles are elements 0 to 15, the high ones 16 to 31. Source: ggml-common.h, block_q4_0 to block_q8_0.

/** w = (q - 8) d */
export function decodeQ4_0(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 18, o += 32) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 2 + i]!;
      out[o + i] = ((q & 15) - 8) * d;
      out[o + 16 + i] = ((q >> 4) - 8) * d;
    }
  }
}

/** w = q d + m */
export function decodeQ4_1(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 20, o += 32) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    const m = f16ToNumber(bytes[at + 2]! | (bytes[at + 3]! << 8));
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 4 + i]!;
      out[o + i] = (q & 15) * d + m;
      out[o + 16 + i] = (q >> 4) * d + m;
    }
  }
}

/** w = (q - 16) d; the fifth bits of all 32 codes are one u32. */
export function decodeQ5_0(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 22, o += 32) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    const low = bytes[at + 2]! | (bytes[at + 3]! << 8);
    const high = bytes[at + 4]! | (bytes[at + 5]! << 8);
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 6 + i]!;
      out[o + i] = (((q & 15) | (((low >> i) & 1) << 4)) - 16) * d;
      out[o + 16 + i] = (((q >> 4) | (((high >> i) & 1) << 4)) - 16) * d;
    }
  }
}

/** w = q d + m, with the fifth bits as in Q5_0. */
export function decodeQ5_1(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 24, o += 32) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    const m = f16ToNumber(bytes[at + 2]! | (bytes[at + 3]! << 8));
    const low = bytes[at + 4]! | (bytes[at + 5]! << 8);
    const high = bytes[at + 6]! | (bytes[at + 7]! << 8);
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 8 + i]!;
      out[o + i] = ((q & 15) | (((low >> i) & 1) << 4)) * d + m;
      out[o + 16 + i] = ((q >> 4) | (((high >> i) & 1) << 4)) * d + m;
    }
  }
}

/** w = q d, q a signed byte. */
export function decodeQ8_0(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 34, o += 32) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    for (let i = 0; i < 32; i++) out[o + i] = ((bytes[at + 2 + i]! << 24) >> 24) * d;
  }
}
