import { f16ToNumber } from "./float-formats.ts";
import { IQ1_GRID, IQ2_S_GRID, IQ2_XS_GRID, IQ2_XXS_GRID, IQ3_S_GRID, IQ3_XXS_GRID } from "./iq-grids.ts";
import { decodeNibbles } from "./nibble-codebook.ts";

// Blocks of 256 (IQ4_NL: 32) whose codes name rows of a codebook, in groups of 8 elements. IQ2 and IQ3 rows are
// magnitudes with a sign bit an element. Products of scale and row value fit an f32, so nothing rounds.
// Source: ggml-common.h, block_iq2_xxs to block_iq4_xs.

/** Seven stored sign bits and an eighth that makes their number even. */
const EVEN_SIGNS = Uint8Array.from({ length: 128 }, (_, bits) => {
  let parity = 0;
  for (let rest = bits; rest > 0; rest >>= 1) parity ^= rest & 1;
  return bits | (parity << 7);
});

/** out[o + i] = ± scale * grid[from + i], negative where bit i of `signs` is set. */
function writeSigned(
  grid: Int8Array,
  from: number,
  count: number,
  signs: number,
  scale: number,
  out: Float32Array,
  o: number,
): void {
  for (let i = 0; i < count; i++) {
    const value = scale * grid[from + i]!;
    out[o + i] = (signs >> i) & 1 ? -value : value;
  }
}

/** Each 32 elements: 4 row numbers of 8 bits; a u32 of 4 x 7 sign bits and a 4-bit scale. */
export function decodeIQ2_XXS(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 66, o += 256) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    for (let sub = 0; sub < 8; sub++) {
      const rows = at + 2 + sub * 8;
      const word = u32(bytes, rows + 4);
      const scale = d * (0.5 + (word >>> 28)) * 0.25;
      for (let group = 0; group < 4; group++) {
        const signs = EVEN_SIGNS[(word >>> (7 * group)) & 127]!;
        writeSigned(IQ2_XXS_GRID, bytes[rows + group]! * 8, 8, signs, scale, out, o + sub * 32 + group * 8);
      }
    }
  }
}

/** Each 8 elements: a u16 of a 9-bit row number and 7 sign bits. A 4-bit scale each 16. */
export function decodeIQ2_XS(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 74, o += 256) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    for (let group = 0; group < 32; group++) {
      const code = bytes[at + 2 + group * 2]! | (bytes[at + 3 + group * 2]! << 8);
      const scale = d * (0.5 + nibble(bytes, at + 66, group >> 1)) * 0.25;
      writeSigned(IQ2_XS_GRID, (code & 511) * 8, 8, EVEN_SIGNS[code >> 9]!, scale, out, o + group * 8);
    }
  }
}

/** Each 8 elements: a 10-bit row number (two bits of it apart) and 8 sign bits. A 4-bit scale each 16. */
export function decodeIQ2_S(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 82, o += 256) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    for (let group = 0; group < 32; group++) {
      const high = (bytes[at + 66 + (group >> 2)]! >> ((group & 3) * 2)) & 3;
      const row = bytes[at + 2 + group]! | (high << 8);
      const scale = d * (0.5 + nibble(bytes, at + 74, group >> 1)) * 0.25;
      writeSigned(IQ2_S_GRID, row * 8, 8, bytes[at + 34 + group]!, scale, out, o + group * 8);
    }
  }
}

/** Each 4 elements: a row number of 8 bits. Each 32: a u32 of 4 x 7 sign bits and a 4-bit scale. */
export function decodeIQ3_XXS(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 98, o += 256) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    for (let sub = 0; sub < 8; sub++) {
      const word = u32(bytes, at + 66 + sub * 4);
      const scale = d * (0.5 + (word >>> 28)) * 0.5;
      for (let group = 0; group < 4; group++) {
        const rows = at + 2 + sub * 8 + group * 2;
        const signs = EVEN_SIGNS[(word >>> (7 * group)) & 127]!;
        const to = o + sub * 32 + group * 8;
        writeSigned(IQ3_XXS_GRID, bytes[rows]! * 4, 4, signs, scale, out, to);
        writeSigned(IQ3_XXS_GRID, bytes[rows + 1]! * 4, 4, signs >> 4, scale, out, to + 4);
      }
    }
  }
}

/** Each 4 elements: a 9-bit row number (one bit of it apart). 8 sign bits each 8, a 4-bit scale each 32. */
export function decodeIQ3_S(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 110, o += 256) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    for (let group = 0; group < 32; group++) {
      const rows = at + 2 + group * 2;
      const high = bytes[at + 66 + (group >> 2)]! >> ((group & 3) * 2);
      const signs = bytes[at + 74 + group]!;
      const scale = d * (1 + 2 * nibble(bytes, at + 106, group >> 2));
      const to = o + group * 8;
      writeSigned(IQ3_S_GRID, (bytes[rows]! | ((high & 1) << 8)) * 4, 4, signs, scale, out, to);
      writeSigned(IQ3_S_GRID, (bytes[rows + 1]! | ((high & 2) << 7)) * 4, 4, signs >> 4, scale, out, to + 4);
    }
  }
}

/** w = scale (row value + shift): the rows of IQ1 are ternary, moved up or down by an eighth. */
function writeShifted(row: number, shift: number, scale: number, out: Float32Array, o: number): void {
  for (let i = 0; i < 8; i++) out[o + i] = scale * (IQ1_GRID[row * 8 + i]! + shift);
}

/** Each 8 elements: an 11-bit row number, three bits of it in a u16 each 32 that also holds scale and shift. */
export function decodeIQ1_S(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 50, o += 256) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    for (let sub = 0; sub < 8; sub++) {
      const high = bytes[at + 34 + sub * 2]! | (bytes[at + 35 + sub * 2]! << 8);
      const scale = d * (2 * ((high >> 12) & 7) + 1);
      const shift = high & 0x8000 ? -0.125 : 0.125;
      for (let group = 0; group < 4; group++) {
        const row = bytes[at + 2 + sub * 4 + group]! | (((high >> (3 * group)) & 7) << 8);
        writeShifted(row, shift, scale, out, o + sub * 32 + group * 8);
      }
    }
  }
}

/** As IQ1_S with a shift each 8 and a 3-bit scale each 16; d is in the top nibbles of the four scale words. */
export function decodeIQ1_M(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 56, o += 256) {
    const scales = at + 48;
    const d = f16ToNumber(
      (bytes[scales + 1]! >> 4) |
        (bytes[scales + 3]! & 0xf0) |
        ((bytes[scales + 5]! & 0xf0) << 4) |
        ((bytes[scales + 7]! & 0xf0) << 8),
    );
    for (let group = 0; group < 32; group++) {
      const high = nibble(bytes, at + 32, group);
      const sub = group >> 1;
      const word = bytes[scales + (sub >> 2) * 2]! | (bytes[scales + (sub >> 2) * 2 + 1]! << 8);
      const scale = d * (2 * ((word >> (3 * (sub & 3))) & 7) + 1);
      const shift = high & 8 ? -0.125 : 0.125;
      writeShifted(bytes[at + group]! | ((high & 7) << 8), shift, scale, out, o + group * 8);
    }
  }
}

/** Sixteen levels, denser near zero. */
const IQ4_LEVELS = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

export function decodeIQ4_NL(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 18, o += 32) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    decodeNibbles(bytes, at + 2, 16, d, IQ4_LEVELS, out, o);
  }
}

/** IQ4_NL codes with a 6-bit scale each 32 elements, two bits of it apart. */
export function decodeIQ4_XS(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 136, o += 256) {
    const d = f16ToNumber(bytes[at]! | (bytes[at + 1]! << 8));
    const high = bytes[at + 2]! | (bytes[at + 3]! << 8);
    for (let sub = 0; sub < 8; sub++) {
      const scale = d * ((nibble(bytes, at + 4, sub) | (((high >> (2 * sub)) & 3) << 4)) - 32);
      decodeNibbles(bytes, at + 8 + sub * 16, 16, scale, IQ4_LEVELS, out, o + sub * 32);
    }
  }
}

/** Nibble `index` of the bytes from `at`, low one first. */
function nibble(bytes: Uint8Array, at: number, index: number): number {
  return (bytes[at + (index >> 1)]! >> ((index & 1) * 4)) & 15;
}

function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
