import { BackendUnavailableError } from "../../errors.ts";
import type { CacheHandle } from "../../tensor/backend.ts";
import type { CacheLayout } from "../../tensor/program.ts";
import type { Native, NativeCache } from "./native.ts";

/** The paged cache in native memory. */
export class CpuCache implements CacheHandle {
  readonly layout: CacheLayout;
  readonly pages: number;
  readonly bytes: number;
  #native: NativeCache | null;

  constructor(native: Native, layout: CacheLayout, pages: number) {
    this.layout = layout;
    this.pages = pages;
    const widths = layout.layers.flat().map(({ width }) => width);
    this.#native = new native.Cache(layout.pageSize, pages, widths);
    this.bytes = this.#native.bytes;
  }

  get native(): NativeCache {
    if (!this.#native) throw new BackendUnavailableError("cpu", "the cache is closed");
    return this.#native;
  }

  close(): void {
    this.#native?.close();
    this.#native = null;
  }
}
