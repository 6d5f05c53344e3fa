import type { Batch } from "../../../src/tensor/backend.ts";
import type { CacheFieldName } from "../../../src/tensor/program.ts";
import { type Exact, exactRow } from "./exact.ts";

/** The paged cache as a dictionary of rows. */
export class ExactCache {
  readonly #rows = new Map<string, Exact>();
  readonly #pageSize: number;

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
  }

  write(layer: number, field: CacheFieldName, x: Exact, batch: Batch): void {
    const width = x.values.length / batch.tokens.length;
    for (let t = 0; t < batch.tokens.length; t++) {
      const row = exactRow(x, t, width);
      const key = this.#key(layer, field, batch, batch.sequences[t]!, batch.positions[t]!);
      this.#rows.set(key, { values: row.values.slice(), scale: row.scale.slice() });
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
