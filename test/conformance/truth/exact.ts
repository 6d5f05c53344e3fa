/**
 * A buffer in f64, and beside each element the sum of the magnitudes of the terms that make it. Rounding errors grow
 * with that sum and not with the result, which may be small because large terms cancel: a correct f32 result is within
 * a few ε · scale.
 */
export interface Exact {
  readonly values: Float64Array;
  readonly scale: Float64Array;
}

export function exactZeros(length: number): Exact {
  return { values: new Float64Array(length), scale: new Float64Array(length) };
}

/** A buffer that comes from outside, or integers. */
export function given(numbers: ArrayLike<number>): Exact {
  return { values: Float64Array.from(numbers), scale: Float64Array.from(numbers, Math.abs) };
}

export function exactRow(x: Exact, row: number, width: number): Exact {
  const [from, to] = [row * width, (row + 1) * width];
  return { values: x.values.subarray(from, to), scale: x.scale.subarray(from, to) };
}

/** Puts a row (or a part of one) into a buffer. */
export function setExact(into: Exact, at: number, row: Exact): void {
  into.values.set(row.values, at);
  into.scale.set(row.scale, at);
}

/** sum_i w[from + i * stride] * x[i] */
export function exactDot(w: ArrayLike<number>, from: number, x: Exact, stride = 1): { value: number; scale: number } {
  let value = 0;
  let scale = 0;
  for (let i = 0; i < x.values.length; i++) {
    const weight = w[from + i * stride]!;
    value += weight * x.values[i]!;
    scale += Math.abs(weight) * x.scale[i]!;
  }
  return { value, scale };
}
