/** What the vocabulary is made of; `Tokenizer` is one. */
export interface TokenSource {
  /** Highest id + 1. */
  readonly size: number;
  /** Null for an id without a token. */
  tokenBytes(id: number): Uint8Array | null;
  /** Not null for added tokens, which no text spells: a grammar can name them, but its characters never mean them. */
  addedToken(id: number): object | null;
}

/**
 * The tokens' bytes as a trie, its nodes in depth-first order, so that a walk is one loop over arrays: node i's children
 * follow it, and `end[i]` is where its subtree ends. Node 0 is the root. Immutable; made once for a tokenizer (about a
 * quarter of a second and 10 MB for 129,000 tokens).
 */
export class Vocabulary {
  /** Highest id + 1. */
  readonly size: number;
  readonly nodes: number;
  /** By node: the byte that leads to it. */
  readonly byte: Uint8Array;
  readonly depth: Uint16Array;
  readonly end: Int32Array;
  /** By node: the token that ends here, or -1. */
  readonly token: Int32Array;
  /** Depth of the deepest node. */
  readonly maxDepth: number;
  /** Tokens that spell what another one spells too: their own id, the other's. */
  readonly twins: readonly (readonly [id: number, first: number])[];
  readonly #bytes: readonly (Uint8Array | null)[];

  constructor(source: TokenSource) {
    this.size = source.size;
    this.#bytes = Array.from({ length: source.size }, (_, id) => {
      const bytes = source.addedToken(id) === null ? source.tokenBytes(id) : null;
      return bytes === null || bytes.length === 0 ? null : bytes;
    });
    const spelled = this.#bytes.flatMap((bytes, id) => (bytes === null ? [] : [{ id, bytes, key: latin1(bytes) }]));
    spelled.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.id - b.id));

    const total = spelled.reduce((sum, { bytes }) => sum + bytes.length, 1);
    const [byte, depth, token] = [new Uint8Array(total), new Uint16Array(total), new Int32Array(total).fill(-1)];
    const end = new Int32Array(total);
    const twins: [number, number][] = [];
    const path = [0]; // nodes from the root to the last token
    let nodes = 1;
    let last: Uint8Array = new Uint8Array();
    for (const { id, bytes } of spelled) {
      let shared = 0;
      while (shared < bytes.length && shared < last.length && bytes[shared] === last[shared]) shared++;
      while (path.length > shared + 1) end[path.pop()!] = nodes;
      for (let i = shared; i < bytes.length; i++) {
        byte[nodes] = bytes[i]!;
        depth[nodes] = i + 1;
        path.push(nodes++);
      }
      const node = path.at(-1)!;
      if (token[node]! >= 0) twins.push([id, token[node]!]);
      else token[node] = id;
      last = bytes;
    }
    for (const node of path) end[node] = nodes;
    this.nodes = nodes;
    this.byte = byte.slice(0, nodes);
    this.depth = depth.slice(0, nodes);
    this.token = token.slice(0, nodes);
    this.end = end.slice(0, nodes);
    this.maxDepth = this.depth.reduce((max, d) => Math.max(max, d), 0);
    this.twins = twins;
  }

  /** Words of a mask: bit t & 31 of word t >> 5 is token t's. */
  get maskWords(): number {
    return (this.size + 31) >>> 5;
  }

  /** Null for ids without text of their own: added tokens, padding. */
  bytes(id: number): Uint8Array | null {
    return this.#bytes[id] ?? null;
  }
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
