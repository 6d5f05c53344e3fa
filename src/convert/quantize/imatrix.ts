import { FormatError } from "../../errors.ts";
import type { GgufFile } from "../../formats/gguf-reader.ts";
import type { TensorEntry } from "../../formats/tensor-file.ts";

/** How much each column of a matrix matters: the mean square of what it was multiplied with. */
export interface Importance {
  /** Row-major [matrices, columns]; experts that were never used are all zero. */
  readonly values: Float32Array;
  readonly matrices: number;
}

/** Longest entry that is read: 1024 experts of 16384 columns. */
const MAX_ENTRY_BYTES = 2 ** 26;

/**
 * Finds the importance of tensors in a GGUF importance matrix: for a tensor X, `X.in_sum2` [matrices, columns] holds sums of
 * squares and `X.counts` [matrices, 1] of how many. Source: llama.cpp, tools/imatrix.
 * @throws FormatError when the file is no importance matrix
 */
export class ImportanceMatrix {
  readonly #file: GgufFile;

  constructor(file: GgufFile) {
    const type = file.metadata.optionalString("general.type");
    if (type !== "imatrix") {
      throw new FormatError(
        file.name,
        0,
        `general.type is ${type ?? "missing"}, want imatrix: --imatrix takes what llama-imatrix writes`,
      );
    }
    this.#file = file;
  }

  /** Number of tensors it has something about. */
  get size(): number {
    return [...this.#file.tensors.keys()].filter((name) => name.endsWith(".in_sum2")).length;
  }

  /**
   * @returns null where the file has nothing about this tensor
   * @throws FormatError for sizes that are not the tensor's, and for numbers that are negative or not finite
   */
  async of(tensor: string, shape: readonly number[]): Promise<Importance | null> {
    const sums = this.#file.tensors.get(`${tensor}.in_sum2`);
    const counts = this.#file.tensors.get(`${tensor}.counts`);
    if (!sums && !counts) return null;
    if (!sums || !counts) throw new FormatError(this.#file.name, 0, `${tensor} has only one of in_sum2 and counts`);
    const columns = shape.at(-1)!;
    const squares = await numbers(sums);
    const matrices = squares.length / columns;
    if (sums.shape.at(-1) !== columns || (matrices !== 1 && matrices !== (shape.length === 3 ? shape[0] : 1))) {
      throw new FormatError(
        sums.file,
        sums.offset,
        `${sums.name} has the shape [${sums.shape}], which does not fit ${tensor} [${shape}]`,
      );
    }
    const times = await numbers(counts);
    if (times.length !== matrices) {
      throw new FormatError(counts.file, counts.offset, `${counts.name} has ${times.length} counts, want ${matrices}`);
    }
    const values = squares.map((square, i) => {
      const count = times[Math.floor(i / columns)]!;
      return count > 0 ? square / count : 0;
    });
    return { values, matrices };
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

async function numbers(entry: TensorEntry): Promise<Float32Array> {
  if (entry.dtype !== "F32" || entry.byteLength > MAX_ENTRY_BYTES) {
    throw new FormatError(
      entry.file,
      entry.offset,
      `${entry.name} is ${entry.dtype} [${entry.shape}]; want F32 and up to 64 MiB`,
    );
  }
  const values = new Float32Array((await entry.read()).slice().buffer);
  const bad = values.findIndex((value) => !(value >= 0 && value < Infinity));
  if (bad < 0) return values;
  throw new FormatError(
    entry.file,
    entry.offset + 4 * bad,
    `${entry.name} has the value ${values[bad]}; want 0 or more`,
  );
}
