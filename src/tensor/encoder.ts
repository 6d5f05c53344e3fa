import { DTYPES, type DType } from "./dtype.ts";

/** Types that an Encoder writes: all but the FP8 of Hugging Face checkpoints. */
export type EncodedType = Exclude<DType, "F8_E4M3">;

export const ENCODED_TYPES: readonly EncodedType[] = (Object.keys(DTYPES) as DType[]).filter(
  (type) => type !== "F8_E4M3",
);

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
