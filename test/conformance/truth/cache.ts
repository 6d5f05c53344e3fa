import type { Batch } from "../../../src/tensor/backend.ts";
import type { CacheDType, CacheFieldName } from "../../../src/tensor/program.ts";
import { type Exact, exactRow } from "./exact.ts";

/** The paged cache as a dictionary of rows. */
export class ExactCache {
  readonly #rows = new Map<string, Exact>();
  readonly #pageSize: number;

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
  }

  /** Elements become what the cache's type makes of them: an error of before remains, one of rounding is part of the truth. */
  write(layer: number, field: CacheFieldName, x: Exact, batch: Batch, dtype: CacheDType): void {
    const width = x.values.length / batch.tokens.length;
    for (let t = 0; t < batch.tokens.length; t++) {
      const row = exactRow(x, t, width);
      const key = this.#key(layer, field, batch, batch.sequences[t]!, batch.positions[t]!);
      this.#rows.set(key, { values: stored(row.values, dtype), scale: row.scale.slice() });
    }
  }

  /** Rows 0..last of a sequence. */
  read(layer: number, field: CacheFieldName, batch: Batch, sequence: number, last: number): Exact[] {
    return Array.from({ length: last + 1 }, (_, position) => {
      const row = this.#rows.get(this.#key(layer, field, batch, sequence, position));
      if (!row) throw new Error(`the case reads ${field} at position ${position} before it is written`);
      return row;
    });
  }

  #key(layer: number, field: CacheFieldName, batch: Batch, sequence: number, position: number): string {
    const page = batch.blockTables[sequence]![Math.floor(position / this.#pageSize)]!;
    return `${layer}/${field}/${page}/${position % this.#pageSize}`;
  }
}

/** What a cache gives back: written a second time, by table and search instead of arithmetic. */
function stored(values: Float64Array, dtype: CacheDType): Float64Array {
  if (dtype === "f32") return values.slice();
  if (dtype === "f16") return values.map(nearestHalf);
  const out = new Float64Array(values.length);
  for (let from = 0; from < values.length; from += 32) {
    const block = values.subarray(from, from + 32);
    const step = nearestHalf(Math.fround(Math.max(...block.map(Math.abs)) / 127));
    const codes = Array.from({ length: 255 }, (_, i) => i - 127);
    for (const [i, x] of block.entries()) out[from + i] = step === 0 ? 0 : step * nearest(codes, x / step);
  }
  return out;
}

const HALVES = Array.from({ length: 0x7c00 }, (_, bits) => {
  const [exponent, fraction] = [bits >> 10, bits & 1023];
  return exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
});

function nearestHalf(x: number): number {
  return Math.sign(x) * nearest(HALVES, Math.abs(x));
}

/** Of an ascending list; ties: the one at an even index from the first that is 0, or from its middle. */
function nearest(list: readonly number[], x: number): number {
  let [low, high] = [0, list.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (list[middle]! <= x) low = middle;
    else high = middle;
  }
  const [below, above] = [x - list[low]!, list[high]! - x];
  if (below !== above) return below < above ? list[low]! : list[high]!;
  return (low - list.indexOf(0)) % 2 === 0 ? list[low]! : list[high]!;
}
