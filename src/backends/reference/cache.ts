import { BackendUnavailableError } from "../../errors.ts";
import type { CacheHandle } from "../../tensor/backend.ts";
import { checkPage } from "../../tensor/cache-page.ts";
import type { CacheDType, CacheFieldName, CacheLayout } from "../../tensor/program.ts";
import type { Owner } from "./owner.ts";
import type { StepQueue } from "./step-queue.ts";

/**
 * The paged cache as plain f32 arrays: per layer and field, [pages * pageSize, width]. Other types are meant by their
 * values: cacheWrite rounds, and `bytes` stays what the arrays take.
 */
export class ReferenceCache implements CacheHandle {
  readonly layout: CacheLayout;
  readonly pages: number;
  readonly bytes: number;
  readonly pageBytes: number;
  readonly pageFormat = "reference 1";
  readonly #queue: StepQueue;
  readonly #owner: Owner;
  #layers: Map<CacheFieldName, CacheRows>[];

  constructor(layout: CacheLayout, pages: number, queue: StepQueue, owner: Owner) {
    this.#queue = queue;
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
    this.bytes = this.#rows().reduce((sum, { data }) => sum + data.byteLength, 0);
    this.pageBytes = this.#rows().reduce((sum, { width }) => sum + 4 * layout.pageSize * width, 0);
  }

  field(layer: number, name: CacheFieldName): CacheRows {
    const rows = this.#layers[layer]?.get(name);
    if (!rows) throw closed();
    return rows;
  }

  async readPage(page: number): Promise<Uint8Array> {
    checkPage(this, page);
    return this.#queue.run(async () => {
      const bytes = new Uint8Array(this.pageBytes);
      let at = 0;
      for (const part of this.#partsOf(page)) {
        bytes.set(part, at);
        at += part.length;
      }
      return bytes;
    });
  }

  async writePage(page: number, bytes: Uint8Array): Promise<void> {
    checkPage(this, page, bytes.length);
    return this.#queue.run(async () => {
      let at = 0;
      for (const part of this.#partsOf(page)) {
        part.set(bytes.subarray(at, at + part.length));
        at += part.length;
      }
    });
  }

  close(): void {
    this.#layers = [];
    this.#owner.delete(this);
  }

  #rows(): CacheRows[] {
    return this.#layers.flatMap((fields) => [...fields.values()]);
  }

  /** The rows of a page in each field. */
  #partsOf(page: number): Uint8Array[] {
    if (this.#layers.length === 0) throw closed();
    return this.#rows().map(({ width, pageSize, data }) => {
      const elements = pageSize * width;
      return new Uint8Array(data.buffer, 4 * page * elements, 4 * elements);
    });
  }
}

function closed(): BackendUnavailableError {
  return new BackendUnavailableError("reference", "the cache is closed");
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
