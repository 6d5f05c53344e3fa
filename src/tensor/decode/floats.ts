import { f8e4m3ToNumber, f16ToNumber } from "./float-formats.ts";

export function decodeF32(bytes: Uint8Array, out: Float32Array): void {
  new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes);
}

export function decodeF16(bytes: Uint8Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = f16ToNumber(bytes[2 * i]! | (bytes[2 * i + 1]! << 8));
}

/** A bf16 is the upper half of an f32. */
export function decodeBf16(bytes: Uint8Array, out: Float32Array): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) bits[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
}

const F8_E4M3_VALUES = Float32Array.from({ length: 256 }, (_, bits) => f8e4m3ToNumber(bits));

export function decodeF8E4M3(bytes: Uint8Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = F8_E4M3_VALUES[bytes[i]!]!;
}
