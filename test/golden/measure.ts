import type { GoldenArray } from "./golden-file.ts";

export type Values = Float32Array | Int32Array;

/** Largest absolute difference; NaN when a value is NaN, Infinity when the lengths differ. */
export function worstDifference(got: Values, want: Values): number {
  if (got.length !== want.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < want.length; i++) {
    const difference = Math.abs(got[i]! - want[i]!);
    if (Number.isNaN(difference)) return Number.NaN;
    worst = Math.max(worst, difference);
  }
  return worst;
}

/** How many ids are not the same ones; a missing or surplus id counts. */
export function wrongIds(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let wrong = Math.abs(got.length - want.length);
  for (let i = 0; i < Math.min(got.length, want.length); i++) if (got[i] !== want[i]) wrong++;
  return wrong;
}

/** Worst difference of each row of a matrix [rows, width]. */
export function rowDifferences(got: Values, want: GoldenArray): number[] {
  return rows(got, want.shape.at(-1)!).map((row, r) => worstDifference(row, rows(want.values, row.length)[r]!));
}

/** Runs of rows put one after the other. */
export function joinRows<A extends Values>(parts: readonly A[]): A {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const joined = (parts[0] instanceof Int32Array ? new Int32Array(length) : new Float32Array(length)) as A;
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** The rows of a matrix of this width. */
export function rows<A extends Values>(matrix: A, width: number): A[] {
  const count = matrix.length / width;
  return Array.from({ length: count }, (_, r) => matrix.subarray(r * width, (r + 1) * width) as A);
}

/** The lower middle one of an even number of values. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!;
}

/** Index of the largest value; of equal ones the first. */
export function argmax(row: Values): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i]! > row[best]!) best = i;
  return best;
}
