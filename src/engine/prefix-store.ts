/** A full page by what decides its contents: where it stands in a text, and which tokens it holds. */
export interface PageAddress {
  /** Hash over the network, the salt and all tokens up to the end of the page, in hex. */
  readonly id: string;
  /** Id of the page before, or of the beginning. */
  readonly parent: string;
  /** Of this page. */
  readonly tokens: readonly number[];
}

export interface StoredPage {
  /** How many of the tokens up to the end of this page were prompt rows when they were computed. */
  readonly promptRows: number;
  /** As CacheHandle.readPage gave them. */
  readonly bytes: Uint8Array;
}

/** What a store holds and has done. */
export interface StoreActivity {
  /** All that is kept there, by whoever, as it was when this store last looked. */
  readonly pages: number;
  readonly bytes: number;
  /** Since the store was opened: pages that were wanted and found, wanted and not found, written, and damaged or unreadable. */
  readonly hits: number;
  readonly misses: number;
  readonly writes: number;
  readonly damaged: number;
}

/**
 * Pages of the cache that outlive the process. What goes wrong with it costs nothing but what it would have saved: it warns,
 * and no call rejects.
 */
export interface PrefixStore {
  /** Whether `save` may succeed: false for a while after an error. */
  readonly accepts: boolean;
  readonly activity: StoreActivity;
  /** Where all texts of a salt begin. The salt cannot be seen from it. */
  beginning(salt: string): string;
  next(parent: string, tokens: readonly number[]): PageAddress;
  /** @returns null where the page is not there, or is damaged */
  load(address: PageAddress): Promise<StoredPage | null>;
  /** Whether the page is there; counts as a use, so that it stays longer. */
  touch(address: PageAddress): Promise<boolean>;
  /** @returns whether it is there now */
  save(address: PageAddress, page: StoredPage): Promise<boolean>;
}

/** What a store must know of the network whose pages it keeps. */
export interface StoredNetwork {
  /** Pages of networks that differ in this mean nothing to one another. */
  readonly fingerprint: string;
  readonly pageBytes: number;
}

export type OpenPrefixStore = (network: StoredNetwork) => Promise<PrefixStore>;
