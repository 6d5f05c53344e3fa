import { nextTurn } from "../next-turn.ts";

/** What the vocabulary is made of; `Tokenizer` is one. */
export interface TokenSource {
  /** Highest id + 1. */
  readonly size: number;
  /** Null for an id without a token. */
  tokenBytes(id: number): Uint8Array | null;
  /** Not null for added tokens, which no text spells: a grammar can name them, but its characters never mean them. */
  addedToken(id: number): object | null;
}

/** The trie of a vocabulary, and what it was made of. */
type Trie = Pick<Vocabulary, "byte" | "depth" | "end" | "token" | "maxDepth" | "twins"> & {
  readonly bytes: readonly (Uint8Array | null)[];
};

/** Milliseconds of building after which other work of the process gets its turn. */
const SLICE_MS = 4;
/** Tokens between two looks at the clock. */
const SLICE_TOKENS = 512;

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

  private constructor({ byte, depth, end, token, maxDepth, twins, bytes }: Trie) {
    this.size = bytes.length;
    this.nodes = byte.length;
    this.byte = byte;
    this.depth = depth;
    this.end = end;
    this.token = token;
    this.maxDepth = maxDepth;
    this.twins = twins;
    this.#bytes = bytes;
  }

  /** Builds it in one go. */
  static of(source: TokenSource): Vocabulary {
    const slices = buildTrie(source);
    let slice = slices.next();
    while (!slice.done) slice = slices.next();
    return new Vocabulary(slice.value);
  }

  /** Builds it a few milliseconds at a time, so that whoever else uses the process does not wait. */
  static async inSlices(source: TokenSource): Promise<Vocabulary> {
    const slices = buildTrie(source);
    let since = performance.now();
    let slice = slices.next();
    while (!slice.done) {
      if (performance.now() - since >= SLICE_MS) {
        await nextTurn();
        since = performance.now();
      }
      slice = slices.next();
    }
    return new Vocabulary(slice.value);
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

/** Yields where it may be interrupted. */
function* buildTrie(source: TokenSource): Generator<undefined, Trie> {
  const bytes: (Uint8Array | null)[] = [];
  const spelled = new Map<number, Spelled[]>();
  let total = 1;
  for (let id = 0; id < source.size; id++) {
    if (id % SLICE_TOKENS === 0) yield;
    const own = source.addedToken(id) === null ? source.tokenBytes(id) : null;
    bytes.push(own === null || own.length === 0 ? null : own);
    if (own === null || own.length === 0) continue;
    total += own.length;
    // Sorted by their first two bytes already: no list is long.
    const first = (own[0]! << 8) | (own[1] ?? 0);
    const list = spelled.get(first) ?? [];
    if (list.push({ id, key: latin1(own) }) === 1) spelled.set(first, list);
  }

  const [byte, depth, token] = [new Uint8Array(total), new Uint16Array(total), new Int32Array(total).fill(-1)];
  const end = new Int32Array(total);
  const twins: [number, number][] = [];
  const path = [0]; // nodes from the root to the last token
  let nodes = 1;
  let maxDepth = 0;
  let last: Uint8Array = new Uint8Array();
  for (const first of [...spelled.keys()].sort((a, b) => a - b)) {
    for (const { id } of spelled.get(first)!.sort(inOrder)) {
      const own = bytes[id]!;
      let shared = 0;
      while (shared < own.length && shared < last.length && own[shared] === last[shared]) shared++;
      while (path.length > shared + 1) end[path.pop()!] = nodes;
      for (let i = shared; i < own.length; i++) {
        byte[nodes] = own[i]!;
        depth[nodes] = i + 1;
        path.push(nodes++);
      }
      maxDepth = Math.max(maxDepth, own.length);
      const node = path.at(-1)!;
      if (token[node]! >= 0) twins.push([id, token[node]!]);
      else token[node] = id;
      last = own;
    }
    yield;
  }
  for (const node of path) end[node] = nodes;
  return {
    byte: byte.slice(0, nodes),
    depth: depth.slice(0, nodes),
    token: token.slice(0, nodes),
    end: end.slice(0, nodes),
    maxDepth,
    twins,
    bytes,
  };
}

/** A token, and its bytes as a string that sorts as they do. */
interface Spelled {
  readonly id: number;
  readonly key: string;
}

function inOrder(a: Spelled, b: Spelled): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : a.id - b.id;
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
