import { BackendUnavailableError } from "../../errors.ts";
import type { CacheHandle } from "../../tensor/backend.ts";
import type { CacheLayout } from "../../tensor/program.ts";
import type { NativeCache, NativeFactory } from "./native.ts";

/** The paged cache in the memory of kernels/. */
export class KernelCache implements CacheHandle {
  readonly layout: CacheLayout;
  readonly pages: number;
  readonly bytes: number;
  readonly #backend: string;
  #native: NativeCache | null;

  constructor(backend: string, native: NativeFactory, layout: CacheLayout, pages: number) {
    this.#backend = backend;
    this.layout = layout;
    this.pages = pages;
    const fields = layout.layers.flat();
    const widths = fields.map(({ width }) => width);
    const dtypes = fields.map(({ dtype }) => dtype.toUpperCase());
    this.#native = native.createCache(layout.pageSize, pages, widths, dtypes);
    this.bytes = this.#native.bytes;
  }

  get native(): NativeCache {
    if (!this.#native) throw new BackendUnavailableError(this.#backend, "the cache is closed");
    return this.#native;
  }

  close(): void {
    this.#native?.close();
    this.#native = null;
  }
}
