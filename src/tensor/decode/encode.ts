import { rowBytes } from "../dtype.ts";
import { f32BitsToBf16, f32BitsToF16 } from "./float-formats.ts";

/** f32 to the bytes of the nearest f16, ties to even; values over 65504 become infinity. */
export function encodeF16(values: Float32Array): Uint8Array {
  return encode16(values, f32BitsToF16);
}

/** f32 to the bytes of the nearest bf16, ties to even. */
export function encodeBf16(values: Float32Array): Uint8Array {
  return encode16(values, f32BitsToBf16);
}

/** The bytes of f32 values: a view, nothing is copied. */
export function encodeF32(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function encode16(values: Float32Array, convert: (bits: number) => number): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) out[i] = convert(bits[i]!);
  return new Uint8Array(out.buffer);
}

/**
 * f32 to Q8_0, the same bytes as ggml's reference quantiser: for each 32 values d = max |x| / 127 and q = x (1 / d),
 * rounded with halves away from zero. d is stored as f16, but q is computed with the f32 d.
 * @throws RangeError when the values are not whole blocks of 32, or one is not finite or too large for the f16 scale
 */
export function encodeQ8_0(values: Float32Array): Uint8Array {
  const out = new Uint8Array(rowBytes("Q8_0", values.length));
  const scale = new Float32Array(1);
  const scaleBits = new Uint32Array(scale.buffer);
  for (let from = 0, at = 0; from < values.length; from += 32, at += 34) {
    let largest = 0;
    for (let i = from; i < from + 32; i++) {
      const magnitude = Math.abs(values[i]!);
      if (!(magnitude <= MAX_Q8_0)) throw new RangeError(`Q8_0: value ${values[i]} at ${i} cannot be stored`);
      if (magnitude > largest) largest = magnitude;
    }
    const d = Math.fround(largest / 127);
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    scale[0] = d;
    const bits = f32BitsToF16(scaleBits[0]!);
    out[at] = bits & 255;
    out[at + 1] = bits >> 8;
    for (let i = 0; i < 32; i++) {
      const x = Math.fround(values[from + i]! * inverse);
      out[at + 2 + i] = x < 0 ? -Math.floor(0.5 - x) : Math.floor(x + 0.5);
    }
  }
  return out;
}

/** 127 times the largest f16. */
const MAX_Q8_0 = 127 * 65504;
