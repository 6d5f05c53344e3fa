import { BackendUnavailableError } from "../../errors.ts";
import type { CacheHandle } from "../../tensor/backend.ts";
import type { CacheDType, CacheFieldName, CacheLayout } from "../../tensor/program.ts";
import type { Owner } from "./owner.ts";

/**
 * The paged cache as plain f32 arrays: per layer and field, [pages * pageSize, width]. Other types are meant by their
 * values: cacheWrite rounds, and `bytes` stays what the arrays take.
 */
export class ReferenceCache implements CacheHandle {
  readonly layout: CacheLayout;
  readonly pages: number;
  readonly bytes: number;
  readonly #owner: Owner;
  #layers: Map<CacheFieldName, CacheRows>[];

  constructor(layout: CacheLayout, pages: number, owner: Owner) {
    this.#owner = owner;
    owner.add(this);
    this.layout = layout;
    this.pages = pages;
    this.#layers = layout.layers.map(
      (fields) =>
        new Map(
          fields.map(({ name, width, dtype }) => [
            name,
            { width, dtype, pageSize: layout.pageSize, data: new Float32Array(pages * layout.pageSize * width) },
          ]),
        ),
    );
    this.bytes = this.#layers
      .flatMap((fields) => [...fields.values()])
      .reduce((sum, rows) => sum + rows.data.byteLength, 0);
  }

  field(layer: number, name: CacheFieldName): CacheRows {
    const rows = this.#layers[layer]?.get(name);
    if (!rows) throw new BackendUnavailableError("reference", "the cache is closed");
    return rows;
  }

  close(): void {
    this.#layers = [];
    this.#owner.delete(this);
  }
}

export interface CacheRows {
  readonly width: number;
  readonly dtype: CacheDType;
  readonly pageSize: number;
  readonly data: Float32Array;
}

/** Index in `rows.data` at which the entry of a position starts. */
export function rowStart(rows: CacheRows, blockTable: Int32Array, position: number): number {
  const page = blockTable[Math.floor(position / rows.pageSize)]!;
  return (page * rows.pageSize + (position % rows.pageSize)) * rows.width;
}
