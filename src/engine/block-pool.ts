import { PrefixIndex, type PrefixNode, pageKey } from "./prefix-index.ts";
import type { Sequence } from "./sequence.ts";

export interface BlockPoolOptions {
  readonly pages: number;
  /** Tokens a page. */
  readonly pageSize: number;
  /** Only pages of prompt rows are shared, so that a hit gives the bits that computing gives. Default false. */
  readonly deterministic?: boolean;
}

/**
 * The pages of the cache: who holds them, and which of them hold the beginning of some text. A page may have several
 * holders, all of which only read it. What nobody holds stays findable until its place is needed, the longest unused first.
 */
export class BlockPool {
  readonly size: number;
  readonly pageSize: number;
  readonly #deterministic: boolean;
  /** Holders by page. */
  readonly #holders: Int32Array;
  /** Pages that nobody holds and nobody could find. */
  readonly #free: number[];
  /** Pages that nobody holds but the index knows, the longest unused first. */
  readonly #cached = new Set<number>();
  readonly #index = new PrefixIndex();
  readonly #keys = new WeakMap<Sequence, string[]>();
  /** Pages that were findable until their place was needed. */
  evictions = 0;

  constructor({ pages, pageSize, deterministic = false }: BlockPoolOptions) {
    this.size = pages;
    this.pageSize = pageSize;
    this.#deterministic = deterministic;
    this.#holders = new Int32Array(pages);
    this.#free = Array.from({ length: pages }, (_, i) => pages - 1 - i);
  }

  /** Pages that can be had now. */
  get available(): number {
    return this.#free.length + this.#cached.size;
  }

  /** Pages that somebody could find. */
  get indexed(): number {
    return this.#index.size;
  }

  pagesFor(tokens: number): number {
    return Math.ceil(tokens / this.pageSize);
  }

  /** Gives the sequence pages for this many tokens. @returns false, with nothing changed, when there are too few */
  reserve(sequence: Sequence, tokens: number): boolean {
    const wanted = this.pagesFor(tokens) - sequence.pages.length;
    if (wanted > this.available) return false;
    for (let i = 0; i < wanted; i++) {
      const page = this.#free.pop() ?? this.#evict();
      this.#holders[page] = 1;
      sequence.pages.push(page);
    }
    return true;
  }

  /**
   * Takes over what is known to hold the next tokens of the sequence. The last token always remains to be computed, for
   * its logits are not in the cache.
   */
  takePrefix(sequence: Sequence): void {
    if (sequence.numComputed % this.pageSize !== 0) return;
    for (const node of this.#found(sequence)) {
      if (this.#holders[node.page]!++ === 0) this.#cached.delete(node.page);
      sequence.pages.push(node.page);
      sequence.advance(sequence.pages.length * this.pageSize, true);
    }
  }

  /** Pages that `reserve` would take for all tokens so far, were `takePrefix` called before. */
  missing(sequence: Sequence): number {
    let held = sequence.pages.length;
    for (const node of this.#found(sequence)) if (this.#holders[node.page]! > 0) held++;
    return this.pagesFor(sequence.tokens.length) - held;
  }

  /** Lets others find the full pages of what is computed. */
  publish(sequence: Sequence): void {
    const { salt } = sequence;
    if (salt === null) return;
    const keys = this.#keysOf(sequence, Math.floor(this.#sharedEnd(sequence) / this.pageSize));
    this.#index.add(salt, keys, sequence.pages, (i) => Math.min(sequence.promptLength, (i + 1) * this.pageSize));
  }

  /** What others can find of what is computed of a sequence, from its beginning. */
  published(sequence: Sequence): PrefixNode[] {
    return this.#nodesOf(sequence, Math.floor(this.#sharedEnd(sequence) / this.pageSize));
  }

  /** Pages at the beginning of a prompt that somebody may have computed before. */
  sharedPages({ promptLength, salt, tokens }: Sequence): number {
    return salt === null ? 0 : Math.floor(Math.min(promptLength, tokens.length - 1) / this.pageSize);
  }

  /** The pages that hold the beginning of a sequence's prompt. */
  known(sequence: Sequence): PrefixNode[] {
    return this.#nodesOf(sequence, this.sharedPages(sequence));
  }

  /**
   * Gives a place to a page that was computed before: who calls writes its contents there before the next step.
   * @param index of the page in the prompt, all before which are known
   * @returns null, with nothing changed, where there is no place but those of the pages before, or these are gone
   */
  adopt(sequence: Sequence, index: number, promptRows: number): PrefixNode | null {
    const pages = this.#nodesOf(sequence, index + 1).map(({ page }) => page);
    if (pages.length !== index) return null;
    // What is about to be used goes last: the ends before the beginnings, as in release().
    for (const page of pages.toReversed()) if (this.#cached.delete(page)) this.#cached.add(page);
    const [oldest] = this.#cached;
    if (this.#free.length === 0 && (oldest === undefined || pages.includes(oldest))) return null;
    const page = this.#free.pop() ?? this.#evict();
    this.#index.add(sequence.salt!, this.#keysOf(sequence, index + 1), [...pages, page], () => promptRows);
    this.#cached.add(page);
    return this.#index.at(page)!;
  }

  /** Whether the page still holds what the node says. */
  holds(node: PrefixNode): boolean {
    return this.#index.at(node.page) === node;
  }

  /** Forgets what a page holds, and all behind it. */
  forget(page: number): void {
    for (const gone of this.#index.remove(page)) if (this.#cached.delete(gone)) this.#free.push(gone);
  }

  /** Forgets what the pages of a sequence hold from this token on: it was not computed after all. */
  retract(sequence: Sequence, from: number): void {
    for (const page of sequence.pages.slice(Math.floor(from / this.pageSize))) this.forget(page);
  }

  /** Gives back the pages behind this many tokens, which are all that is computed now: rejected drafts. */
  truncate(sequence: Sequence, tokens: number): void {
    while (sequence.pages.length > this.pagesFor(tokens)) this.#drop(sequence.pages.pop()!);
    sequence.numComputed = Math.min(sequence.numComputed, tokens);
    const keys = this.#keys.get(sequence);
    if (keys) keys.length = Math.min(keys.length, Math.floor(tokens / this.pageSize));
  }

  /** Gives back all pages. The last go first: of what stays findable, ends are of less use than beginnings. */
  release(sequence: Sequence): void {
    this.truncate(sequence, 0);
  }

  /** What the index has of the first `count` pages. */
  #nodesOf(sequence: Sequence, count: number): PrefixNode[] {
    return sequence.salt === null ? [] : [...this.#index.find(sequence.salt, this.#keysOf(sequence, count))];
  }

  /** How many of the computed tokens others may find. */
  #sharedEnd({ numComputed, promptLength }: Sequence): number {
    return this.#deterministic ? Math.min(numComputed, promptLength) : numComputed;
  }

  /** What the index has for the next pages of a sequence whose pages are all full. */
  *#found(sequence: Sequence): Generator<PrefixNode> {
    const { promptLength, salt, tokens } = sequence;
    if (salt === null) return;
    const end = this.#deterministic ? Math.min(tokens.length - 1, promptLength) : tokens.length - 1;
    const keys = this.#keysOf(sequence, Math.floor(end / this.pageSize));
    const held = sequence.pages.length;
    let depth = 0;
    for (const node of this.#index.find(salt, keys)) {
      if (depth++ < held) continue;
      // What this sequence wrote itself it takes back only as it wrote it.
      if (depth * this.pageSize > promptLength && node.promptRows !== promptLength) return;
      yield node;
    }
  }

  #keysOf(sequence: Sequence, count: number): string[] {
    const keys = this.#keys.get(sequence) ?? [];
    this.#keys.set(sequence, keys);
    while (keys.length < count) keys.push(pageKey(sequence.tokens, keys.length * this.pageSize, this.pageSize));
    return keys.slice(0, count);
  }

  #drop(page: number): void {
    this.#holders[page]!--;
    if (this.#holders[page]! > 0) return;
    if (this.#index.has(page)) this.#cached.add(page);
    else this.#free.push(page);
  }

  #evict(): number {
    const [oldest] = this.#cached;
    const before = this.indexed;
    this.forget(oldest!);
    this.evictions += before - this.indexed;
    return this.#free.pop()!;
  }
}
