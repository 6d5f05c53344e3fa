import type { TensorEntry } from "../formats/tensor-file.ts";
import type { Program } from "../tensor/program.ts";

/** Buffers and scales that belong to something else: FP8 scales to their matrix, frequencies to config.json. */
const NO_WEIGHTS = /(_scale_inv|rotary_emb\.inv_freq|rope_freqs\.weight)$/;

/**
 * Tensors of a file that no Program reads: a sign that the network is not quite the one we think it is (a bias more than
 * the architecture has, say), which a user should know.
 * @returns their names, in file order
 */
export function unusedTensors(tensors: ReadonlyMap<string, TensorEntry>, programs: readonly Program[]): string[] {
  const entries = [...tensors.values()].filter(({ byteLength }) => byteLength > 0);
  entries.sort((a, b) => (a.file === b.file ? a.offset - b.offset : a.file < b.file ? -1 : 1));
  const used = new Set<TensorEntry>();
  for (const { source } of programs.flatMap((program) => [...program.weights.values()])) {
    for (const segment of source.segments) used.add(entryAt(entries, segment.file, segment.offset));
  }
  return entries.filter((entry) => !used.has(entry) && !NO_WEIGHTS.test(entry.name)).map(({ name }) => name);
}

/** The tensor in whose bytes a place lies: the last one that does not start after it. */
function entryAt(entries: readonly TensorEntry[], file: string, offset: number): TensorEntry {
  let low = 0;
  let high = entries.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const { file: other, offset: start } = entries[middle]!;
    if (other < file || (other === file && start <= offset)) low = middle;
    else high = middle - 1;
  }
  return entries[low]!;
}
