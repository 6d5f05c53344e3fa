import type { CacheHandle } from "../tensor/backend.ts";
import type { BlockPool } from "./block-pool.ts";
import { keyTokens, type PrefixNode } from "./prefix-index.ts";
import type { PageAddress, PrefixStore, StoreActivity, StoredPage } from "./prefix-store.ts";
import type { Sequence } from "./sequence.ts";

/** Pages that may wait to be stored; what comes then is offered again when it is used next. */
const MAX_WAITING = 4096;
/** A page in use is looked after this often, so that it does not count as unused on the disk while memory has it. */
const REFRESH_MS = 10 * 60_000;
/** Of pages that were read and wait for a step to end. */
const MAX_READ_BYTES = 2 ** 26;
/** A prompt that waits longer for a page is read instead. */
const READ_MS = 2000;
/** Closing waits no longer for pages to be written. */
const CLOSE_MS = 5000;

/**
 * Between the pages in memory and a store. Each page is stored as soon as it is computed, one at a time, and read back when a
 * prompt wants it that memory has no more, or not yet.
 */
export class StoredPrefixes {
  readonly #pool: BlockPool;
  readonly #cache: CacheHandle;
  readonly #store: PrefixStore;
  readonly #waiting = new Set<PrefixNode>();
  readonly #addresses = new WeakMap<PrefixNode, PageAddress>();
  /** When a page was last known to be in the store. */
  readonly #stored = new WeakMap<PrefixNode, number>();
  /** Full pages of a sequence that were offered. */
  readonly #offered = new WeakMap<Sequence, number>();
  #writing: Promise<void> | null = null;
  /** One read at a time: a disk that hangs must not hold more than one of the process' few threads for files. */
  #reading: Promise<unknown> = Promise.resolve();
  /** It has not answered in time, and until it does it is asked for nothing. */
  #hangs = false;
  #closed = false;

  constructor(pool: BlockPool, cache: CacheHandle, store: PrefixStore) {
    this.#pool = pool;
    this.#cache = cache;
    this.#store = store;
  }

  get activity(): StoreActivity {
    return this.#store.activity;
  }

  /**
   * Brings the beginning of a prompt into memory, as far as it is stored and there is room.
   * @param wanted asked now and then
   */
  async restore(sequence: Sequence, wanted: () => boolean): Promise<void> {
    const { pageSize } = this.#pool;
    let copies: Promise<void>[] = [];
    const known = this.#pool.known(sequence);
    const last = known.at(-1);
    let parent = last ? this.#addressOf(last).id : this.#store.beginning(sequence.salt!);
    for (let index = known.length; index < this.#pool.sharedPages(sequence) && wanted(); index++) {
      const tokens = sequence.tokens.slice(index * pageSize, (index + 1) * pageSize);
      const address = this.#store.next(parent, tokens);
      parent = address.id;
      const page = await this.#load(address);
      if (page === null || !wanted()) break;
      if (this.#pool.known(sequence).length > index) continue;
      const node = this.#pool.adopt(sequence, index, page.promptRows);
      if (node === null) break;
      this.#addresses.set(node, address);
      this.#stored.set(node, performance.now());
      // Before any step that is planned later.
      copies.push(this.#cache.writePage(node.page, page.bytes).catch(() => this.#pool.forget(node.page)));
      if (copies.length * this.#cache.pageBytes < MAX_READ_BYTES) continue;
      await Promise.all(copies);
      copies = [];
    }
    await Promise.all(copies);
  }

  /** Stores what is new of the full pages of a sequence, whose steps so far went well. */
  keep(sequence: Sequence): void {
    const full = Math.floor(sequence.numComputed / this.#pool.pageSize);
    if (this.#offered.get(sequence) === full) return;
    this.#offered.set(sequence, full);
    const since = performance.now() - REFRESH_MS;
    for (const node of this.#pool.published(sequence)) {
      if (this.#waiting.size === MAX_WAITING) break;
      if ((this.#stored.get(node) ?? Number.NEGATIVE_INFINITY) < since) this.#waiting.add(node);
    }
    this.#writing ??= this.#write();
  }

  /** Waits a few seconds at most for what is still to be stored. */
  async close(): Promise<void> {
    if (this.#writing) await within(CLOSE_MS, this.#writing);
    this.#closed = true;
  }

  async #load(address: PageAddress): Promise<StoredPage | null> {
    if (this.#hangs) return null;
    const loaded = this.#reading.then(() => this.#store.load(address));
    this.#reading = loaded.catch(() => undefined);
    const page = await within(READ_MS, loaded);
    if (page !== undefined) return page;
    this.#hangs = true;
    void this.#reading.then(() => {
      this.#hangs = false;
    });
    return null;
  }

  async #write(): Promise<void> {
    await null; // there may be nothing to do, and whoever starts this notes it first
    for (const node of this.#waiting) {
      this.#waiting.delete(node);
      if (!this.#store.accepts || this.#closed) continue;
      if (await this.#save(node).catch(() => false)) this.#stored.set(node, performance.now());
    }
    this.#writing = null;
  }

  /** @returns whether it is in the store now */
  async #save(node: PrefixNode): Promise<boolean> {
    const address = this.#addressOf(node);
    if (await this.#store.touch(address)) return true;
    // Its place may have gone to others while it waited. If not, the copy comes before any step that is planned later.
    if (!this.#pool.holds(node)) return false;
    const bytes = await this.#cache.readPage(node.page);
    return this.#store.save(address, { promptRows: node.promptRows, bytes });
  }

  #addressOf(node: PrefixNode): PageAddress {
    const line: PrefixNode[] = [];
    let at: PrefixNode["parent"] = node;
    for (; !("salt" in at) && !this.#addresses.has(at); at = at.parent) line.push(at);
    let parent = "salt" in at ? this.#store.beginning(at.salt) : this.#addresses.get(at)!.id;
    for (const one of line.reverse()) {
      const address = this.#store.next(parent, keyTokens(one.key));
      this.#addresses.set(one, address);
      parent = address.id;
    }
    return this.#addresses.get(node)!;
  }
}

/** @returns undefined where the promise takes longer than so many milliseconds */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
