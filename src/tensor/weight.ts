import type { DType } from "./dtype.ts";

/**
 * Where the bytes of one weight lie. Nothing is read until a backend asks: a 2 GB tensor costs a few numbers here.
 *
 * A weight is a list of segments along its outermost rows: an expert tensor of a Hugging Face checkpoint has one
 * segment per expert file entry, the key half of `kv_b_proj` one per head, an ordinary matrix a single one.
 */
export interface WeightSource {
  /** Name in this project's own naming (model/weight-names.ts), e.g. `layers.3.attn.qA`. */
  readonly name: string;
  readonly dtype: DType;
  /** Row-major, the last dimension contiguous: a linear weight is [out, in], an expert weight [experts, out, in]. */
  readonly shape: readonly number[];
  /** In order; together exactly the rows of the tensor (all dimensions but the last flattened). */
  readonly segments: readonly WeightSegment[];
}

export interface WeightSegment {
  /** Number of rows (of the last dimension's length) in this segment. */
  readonly rows: number;
  /** For error messages. */
  readonly file: string;
  /** Of `file` in the file system, where its bytes may be used in place. */
  readonly path?: string | undefined;
  /** Byte offset in `file`. */
  readonly offset: number;
  readonly byteLength: number;
  /** Reads the bytes. The result may be a view on a larger buffer and must not be written to. */
  read(): Promise<Uint8Array>;
  /** Only with dtype F8_E4M3: the block scales of the matrix that this segment is cut from. */
  readonly scales?: BlockScales;
}

/** FP8 scales: w[r][c] = fp8 * scale[floor((firstRow + r) / blockRows)][floor(c / blockCols)] (DeepSeek-V3 report 3.3). */
export interface BlockScales {
  readonly blockRows: number;
  readonly blockCols: number;
  /** Columns of the scale matrix: ceil(columns / blockCols). */
  readonly columns: number;
  /** Row of the matrix at which this segment starts. */
  readonly firstRow: number;
  /** Row-major [ceil(rows / blockRows), columns]. */
  read(): Promise<Float32Array>;
}
