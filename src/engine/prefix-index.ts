/** A full page that the index knows: it holds these tokens behind those of its parents. */
export interface PrefixNode {
  readonly page: number;
  readonly key: string;
  /** How many of the tokens up to the end of this page were prompt rows when they were computed. */
  readonly promptRows: number;
  readonly parent: PrefixNode | Root;
  readonly children: Map<string, PrefixNode>;
}

/** Where the texts of a salt begin. */
export interface Root {
  readonly salt: string;
  readonly children: Map<string, PrefixNode>;
}

/**
 * Which pages hold which beginnings of text: a tree whose edges are the token ids of whole pages, one tree for each salt.
 * An edge is the ids themselves, not a hash of them, so that no collision can bring up someone else's page.
 */
export class PrefixIndex {
  readonly #roots = new Map<string, Root>();
  readonly #nodes = new Map<number, PrefixNode>();

  /** Pages known. */
  get size(): number {
    return this.#nodes.size;
  }

  has(page: number): boolean {
    return this.#nodes.has(page);
  }

  /** What a page holds. */
  at(page: number): PrefixNode | undefined {
    return this.#nodes.get(page);
  }

  /** The pages that hold the beginning of a text, as far as they are known. @param keys of its full pages */
  *find(salt: string, keys: Iterable<string>): Generator<PrefixNode> {
    let children = this.#roots.get(salt)?.children;
    for (const key of keys) {
      const node = children?.get(key);
      if (!node) return;
      yield node;
      children = node.children;
    }
  }

  /**
   * Enters the pages of a text that are not known yet; of two pages with the same content the first stays.
   * @param pages of the whole text from its beginning, one for each key
   */
  add(salt: string, keys: readonly string[], pages: readonly number[], promptRowsAt: (page: number) => number): void {
    if (keys.length === 0) return;
    const root = this.#roots.get(salt) ?? { salt, children: new Map() };
    this.#roots.set(salt, root);
    let parent: PrefixNode | Root = root;
    for (const [i, key] of keys.entries()) {
      let node: PrefixNode | undefined = parent.children.get(key);
      if (!node) {
        const page = pages[i]!;
        node = { page, key, promptRows: promptRowsAt(i), parent, children: new Map() };
        parent.children.set(key, node);
        this.#nodes.set(page, node);
      }
      parent = node;
    }
  }

  /** Forgets a page and all that lie behind it. @returns the pages that were forgotten, this one first */
  remove(page: number): number[] {
    const node = this.#nodes.get(page);
    if (!node) return [];
    node.parent.children.delete(node.key);
    if ("salt" in node.parent && node.parent.children.size === 0) this.#roots.delete(node.parent.salt);
    const gone = [node];
    for (const next of gone) gone.push(...next.children.values());
    for (const { page } of gone) this.#nodes.delete(page);
    return gone.map(({ page }) => page);
  }
}

/** The token ids of a page whose key this is. */
export function keyTokens(key: string): number[] {
  const units = Uint16Array.from(key, (_, i) => key.charCodeAt(i));
  return [...new Int32Array(units.buffer)];
}

/** The ids of one page as a string: two UTF-16 units an id. */
export function pageKey(tokens: readonly number[], from: number, pageSize: number): string {
  const units = new Uint16Array(Int32Array.from(tokens.slice(from, from + pageSize)).buffer);
  return String.fromCharCode(...units);
}
