import { FormatError } from "../../errors.ts";
import type { GgufFile } from "../../formats/gguf-reader.ts";
import type { TensorEntry } from "../../formats/tensor-file.ts";
import { findBad, fitsTensor, type ImportanceMatrix, MAX_ENTRY_BYTES } from "./imatrix.ts";

/**
 * An importance matrix as GGUF: for a tensor X, `X.in_sum2` [matrices, columns] holds sums of squares and `X.counts`
 * [matrices, 1] of how many. Takes over the file where it succeeds. Source: llama.cpp, tools/imatrix.
 * @throws FormatError when the file is no importance matrix
 */
export function imatrixOfGguf(file: GgufFile): ImportanceMatrix {
  const type = file.metadata.optionalString("general.type");
  if (type !== "imatrix") {
    const message = `general.type is ${type ?? "missing"}, want imatrix: --imatrix takes what llama-imatrix writes`;
    throw new FormatError(file.name, 0, message);
  }
  const tensors = new Set<string>();
  for (const name of file.tensors.keys()) tensors.add(name.replace(/\.(in_sum2|counts)$/, ""));
  return {
    name: file.name,
    tensors,
    async of(tensor, shape) {
      const sums = file.tensors.get(`${tensor}.in_sum2`);
      const counts = file.tensors.get(`${tensor}.counts`);
      if (!sums && !counts) return null;
      if (!sums || !counts) throw new FormatError(file.name, 0, `${tensor} has only one of in_sum2 and counts`);
      const columns = sums.shape.at(-1)!;
      const squares = await numbers(sums);
      const matrices = squares.length / columns;
      if (!fitsTensor(columns, matrices, shape)) {
        const message = `${sums.name} has the shape [${sums.shape}], which does not fit ${tensor} [${shape}]`;
        throw new FormatError(sums.file, sums.offset, message);
      }
      const times = await numbers(counts);
      if (times.length !== matrices) {
        const message = `${counts.name} has ${times.length} counts, want ${matrices}`;
        throw new FormatError(counts.file, counts.offset, message);
      }
      const values = squares.map((square, i) => {
        const count = times[Math.floor(i / columns)]!;
        return count > 0 ? square / count : 0;
      });
      return { values, matrices };
    },
    close: () => file.close(),
  };
}

async function numbers(entry: TensorEntry): Promise<Float32Array> {
  if (entry.dtype !== "F32" || entry.byteLength > MAX_ENTRY_BYTES) {
    const message = `${entry.name} is ${entry.dtype} [${entry.shape}]; want F32 and up to 64 MiB`;
    throw new FormatError(entry.file, entry.offset, message);
  }
  const values = new Float32Array((await entry.read()).slice().buffer);
  const bad = findBad(values);
  if (bad < 0) return values;
  const message = `${entry.name} has the value ${values[bad]}; want 0 or more`;
  throw new FormatError(entry.file, entry.offset + 4 * bad, message);
}
