import { f8e4m3ToNumber } from "./float-formats.ts";
import { decodeNibbles } from "./nibble-codebook.ts";

/** Twice the values of FP4 E2M1, which makes them integers; the scales below are halved in return. */
const E2M1_DOUBLED = Int8Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

/** Half of 2^(e - 127), the E8M0 scale. Source: OCP Microscaling Formats 1.0, section 5.4. */
const E8M0_HALVED = Float32Array.from({ length: 256 }, (_, exponent) => 2 ** (exponent - 128));

/** Half of an unsigned E4M3 scale; ggml reads the NaN code 0x7f as zero and ignores the sign bit elsewhere. */
const UE4M3_HALVED = Float32Array.from({ length: 256 }, (_, bits) => {
  if (bits === 0x7f) return 0;
  return bits === 0xff ? 240 : f8e4m3ToNumber(bits & 0x7f) / 2;
});

/** Blocks of 32: one E8M0 scale, 16 bytes of FP4 codes. Source: ggml-common.h, block_mxfp4. */
export function decodeMxfp4(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 17, o += 32) {
    decodeNibbles(bytes, at + 1, 16, E8M0_HALVED[bytes[at]!]!, E2M1_DOUBLED, out, o);
  }
}

/** Blocks of 64: four unsigned E4M3 scales, then for each 16 elements 8 bytes of FP4 codes. Source: block_nvfp4. */
export function decodeNvfp4(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 36, o += 64) {
    for (let sub = 0; sub < 4; sub++) {
      decodeNibbles(bytes, at + 4 + sub * 8, 8, UE4M3_HALVED[bytes[at + sub]!]!, E2M1_DOUBLED, out, o + sub * 16);
    }
  }
}
