import { BackendUnavailableError } from "../../errors.ts";
import type { CacheHandle } from "../../tensor/backend.ts";
import { checkPage } from "../../tensor/cache-page.ts";
import { cacheRowBytes } from "../../tensor/cache-row.ts";
import type { CacheLayout } from "../../tensor/program.ts";
import type { NativeCache, NativeFactory } from "./native.ts";
import { type RunQueue, takeTurn } from "./run-queue.ts";

/** The paged cache in the memory of kernels/. */
export class KernelCache implements CacheHandle {
  readonly layout: CacheLayout;
  readonly pages: number;
  readonly bytes: number;
  readonly pageBytes: number;
  readonly pageFormat: string;
  readonly #backend: string;
  readonly #queue: RunQueue;
  #native: NativeCache | null;

  /** @param target whose kernels fill it: the last bits may be others with another */
  constructor(
    backend: string,
    target: string,
    native: NativeFactory,
    layout: CacheLayout,
    pages: number,
    queue: RunQueue,
  ) {
    this.#backend = backend;
    this.#queue = queue;
    this.layout = layout;
    this.pages = pages;
    this.pageFormat = `${backend} ${target} 1`;
    const fields = layout.layers.flat();
    const widths = fields.map(({ width }) => width);
    const dtypes = fields.map(({ dtype }) => dtype.toUpperCase());
    this.#native = native.createCache(layout.pageSize, pages, widths, dtypes);
    this.bytes = this.#native.bytes;
    this.pageBytes = fields.reduce((sum, field) => sum + layout.pageSize * cacheRowBytes(field), 0);
  }

  get native(): NativeCache {
    if (!this.#native) throw new BackendUnavailableError(this.#backend, "the cache is closed");
    return this.#native;
  }

  async readPage(page: number): Promise<Uint8Array> {
    checkPage(this, page);
    return takeTurn(this.#queue, async () => {
      const bytes = new Uint8Array(this.pageBytes);
      await this.native.readPage(page, bytes);
      return bytes;
    });
  }

  async writePage(page: number, bytes: Uint8Array): Promise<void> {
    checkPage(this, page, bytes.length);
    return takeTurn(this.#queue, async () => this.native.writePage(page, bytes));
  }

  close(): void {
    this.#native?.close();
    this.#native = null;
  }
}
