import type { Batch } from "../../../src/tensor/backend.ts";
import type { DType } from "../../../src/tensor/dtype.ts";
import type { OpKind, Program } from "../../../src/tensor/program.ts";

/** One check of one op: a tiny Program and the steps it is run for, on one Executable. */
export interface OpCase {
  /** What is peculiar about it: shapes, layout, seed. */
  readonly name: string;
  readonly op: OpKind;
  /** Of the weights the op multiplies or looks up; null for an op without. */
  readonly dtype: DType | null;
  build(): Experiment;
}

export interface Experiment {
  readonly program: Program;
  /** Pages of the cache. */
  readonly pages: number;
  readonly steps: readonly Step[];
}

export interface Step {
  readonly batch: Batch;
  readonly inputs: Readonly<Record<string, Float32Array>>;
}

/** Around the widths of vectors and of their unrolled loops. */
export const SIZES = [1, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257] as const;

/** Rows of the two steps of a case: more and fewer than before, single rows, around the tiles of a matrix product. */
const ROW_COUNTS = [
  [1, 2],
  [7, 3],
  [16, 1],
  [17, 16],
  [64, 7],
  [2, 17],
] as const;

/** The row counts of the i-th case of a list. */
export function rowCounts(i: number): readonly [number, number] {
  return ROW_COUNTS[i % ROW_COUNTS.length]!;
}

/** The i-th of the sizes, round and round: pairs every size with others as i goes on. */
export function sizeAt(i: number): number {
  return SIZES[i % SIZES.length]!;
}
