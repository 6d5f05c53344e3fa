import type { CacheDType, CacheField } from "./program.ts";

/** Elements of a block of q8_0. */
const BLOCK = 32;

/** Bytes of one token's entry in a field. */
export function cacheRowBytes({ width, dtype }: CacheField): number {
  if (dtype === "q8_0") return Math.ceil(width / BLOCK) * (BLOCK + 2);
  return width * (dtype === "f16" ? 2 : 4);
}

/** A row as a cache of this type gives it back; the last block of q8_0 may be short. Each step is one rounding in f32. */
export function throughCache(row: Float32Array, dtype: CacheDType): Float32Array {
  if (dtype === "f32") return row;
  if (dtype === "f16") return row.map(roundToHalf);
  const out = new Float32Array(row.length);
  for (let from = 0; from < row.length; from += BLOCK) {
    const block = row.subarray(from, from + BLOCK);
    const step = roundToHalf(Math.fround(block.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127));
    const inverse = step > 0 ? Math.fround(1 / step) : 0;
    for (const [i, x] of block.entries()) {
      const code = roundTiesToEven(Math.fround(x * inverse));
      out[from + i] = step * Math.max(-127, Math.min(127, code));
    }
  }
  return out;
}

/** The nearest f16, ties to even; past 65504 infinity. */
function roundToHalf(x: number): number {
  if (!Number.isFinite(x) || x === 0) return x;
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.abs(x))));
  const unit = 2 ** (exponent - 10);
  const rounded = roundTiesToEven(Math.abs(x) / unit) * unit;
  return Math.sign(x) * (rounded > 65504 ? Number.POSITIVE_INFINITY : rounded);
}

function roundTiesToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}
