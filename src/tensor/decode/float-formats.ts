/** Conversions of single numbers between f32 and the small float formats, on their bit patterns. */

/** 2^(e - 25) for the exponent fields 0 to 30 of f16. */
const F16_UNIT = Float64Array.from({ length: 31 }, (_, exponent) => 2 ** (exponent - 25));

/** IEEE 754 binary16 to number; exact. */
export function f16ToNumber(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  let magnitude: number;
  if (exponent === 0) magnitude = fraction * 2 ** -24;
  else if (exponent < 31) magnitude = (fraction + 1024) * F16_UNIT[exponent]!;
  else magnitude = fraction === 0 ? Infinity : NaN;
  return bits & 0x8000 ? -magnitude : magnitude;
}

/** Bits of an f32 to the bits of the nearest f16, ties to even; too large becomes infinity, NaN a quiet NaN. */
export function f32BitsToF16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (magnitude >= 0x38800000) return sign | roundShift(magnitude - 0x38000000, 13); // normal: rebias the exponent by 112
  const exponent = magnitude >>> 23;
  if (exponent < 102) return sign; // below half of 2^-24
  return sign | roundShift((magnitude & 0x7fffff) | 0x800000, 126 - exponent);
}

/** Bits of an f32 to the bits of the nearest bf16, ties to even; NaN stays NaN. */
export function f32BitsToBf16(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return roundShift(bits >>> 0, 16);
}

/** value / 2^shift, rounded to the nearest integer, ties to even. */
function roundShift(value: number, shift: number): number {
  const quotient = value >>> shift;
  const rest = value & (2 ** shift - 1);
  const half = 2 ** (shift - 1);
  return quotient + (rest > half || (rest === half && quotient & 1) ? 1 : 0);
}

/**
 * FP8 E4M3 without infinities (1 sign, 4 exponent bits with bias 7, 3 fraction bits; 0x7f and 0xff are NaN), exact.
 * Source: OCP 8-bit Floating Point Specification 1.0, table 1.
 */
export function f8e4m3ToNumber(bits: number): number {
  const exponent = (bits >> 3) & 15;
  const fraction = bits & 7;
  let magnitude: number;
  if (exponent === 15 && fraction === 7) magnitude = NaN;
  else if (exponent === 0) magnitude = fraction * 2 ** -9;
  else magnitude = (fraction + 8) * 2 ** (exponent - 10);
  return bits & 0x80 ? -magnitude : magnitude;
}
