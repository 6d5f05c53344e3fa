import type { DType } from "./dtype.ts";

/** Types that an Encoder writes; the others are only read. */
export const ENCODED_TYPES = [
  "F32",
  "F16",
  "BF16",
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
  "Q8_0",
  "Q2_K",
  "Q3_K",
  "Q4_K",
  "Q5_K",
  "Q6_K",
  "IQ4_NL",
  "IQ4_XS",
] as const satisfies readonly DType[];

export type EncodedType = (typeof ENCODED_TYPES)[number];

/** Whole rows of `columns` elements, one after the other. */
export interface EncodeJob {
  readonly from: DType;
  /** Must not change while the job runs. */
  readonly bytes: Uint8Array;
  readonly columns: number;
  readonly to: EncodedType;
  /** How much an error in each column counts: `columns` numbers for every `rows` rows. Without it all count alike. */
  readonly importance?: { readonly values: Float32Array; readonly rows: number };
}

/** Converts rows from one element type to another; the result does not depend on the number of threads. */
export interface Encoder {
  /**
   * One job at a time.
   * @throws ValueError for a value that is not finite or too large for the type
   */
  encode(job: EncodeJob): Promise<Uint8Array>;
  close(): void;
}

/** A row holds a value that the target type cannot hold. */
export class ValueError extends RangeError {
  /** Of the job. */
  readonly row: number;
  constructor(row: number) {
    super(`row ${row} has a value that is not finite, or too large`);
    this.row = row;
  }
}
