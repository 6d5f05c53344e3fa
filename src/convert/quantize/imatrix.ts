/** How much each column of a matrix matters: the mean square of what it was multiplied with. */
export interface Importance {
  /** Row-major [matrices, columns]; experts that were never used are all zero. */
  readonly values: Float32Array;
  readonly matrices: number;
}

/** An open importance matrix. Whoever opened it closes it. */
export interface ImportanceMatrix {
  /** Name of the file. */
  readonly name: string;
  /** The tensors it knows. */
  readonly tensors: ReadonlySet<string>;
  /**
   * @returns null where the file has nothing about this tensor
   * @throws FormatError for sizes that are not the tensor's, and for numbers that are negative or not finite
   */
  of(tensor: string, shape: readonly number[]): Promise<Importance | null>;
  close(): Promise<void>;
}

/** Longest entry that is read, in bytes: 1024 experts of 16384 columns. */
export const MAX_ENTRY_BYTES = 2 ** 26;

/** Whether an entry of so many columns for each of so many matrices can be about a tensor: one for all matrices, or one each. */
export function fitsTensor(columns: number, matrices: number, shape: readonly number[]): boolean {
  return columns === shape.at(-1) && (matrices === 1 || matrices === (shape.length === 3 ? shape[0] : 1));
}

/** Index of the first number that is no mean or sum of squares, or -1. */
export function findBad(values: Float32Array): number {
  return values.findIndex((value) => !(value >= 0 && value < Infinity));
}
