import { ConfigError, TextError } from "../errors.ts";
import { CODE_OF_BYTE } from "./byte-alphabet.ts";
import { PairTable } from "./pair-table.ts";
import type { TokenizerSpec } from "./spec.ts";

const CACHED_PIECES = 50_000;
const CACHED_PIECE_LENGTH = 48; // longer ones are rarely met twice
const POSITIONS = 2 ** 32;

/**
 * Byte-pair encoding of one piece of text: its bytes are joined pair by pair, the lowest rank first and of equal ranks
 * the leftmost, until no neighbours form a token. n bytes take O(n log n) steps, also in one piece of megabytes.
 * Source: Sennrich et al., arXiv:1508.07909; byte-level form of GPT-2.
 */
export class PieceEncoder {
  readonly #ids: Map<string, number>;
  readonly #idOfByte = new Int32Array(256);
  readonly #pairs: PairTable;
  readonly #ignoreMerges: boolean;
  readonly #unkId: number | null;
  readonly #cache = new Map<string, readonly number[]>();
  readonly #utf8 = new TextEncoder();

  /** @throws ConfigError for a token that two ids share and for merges of tokens that do not exist */
  constructor(spec: TokenizerSpec) {
    this.#ids = new Map();
    for (let id = 0; id < spec.tokens.length; id++) {
      const token = spec.tokens[id];
      if (token === null || token === undefined) continue;
      const other = this.#ids.get(token);
      if (other !== undefined)
        throw new ConfigError(
          `${spec.source}: vocabulary`,
          `ids ${other} and ${id} are both the token ${JSON.stringify(token)}`,
        );
      this.#ids.set(token, id);
    }
    CODE_OF_BYTE.forEach((code, byte) => {
      this.#idOfByte[byte] = this.#ids.get(String.fromCharCode(code)) ?? -1;
    });
    this.#ignoreMerges = spec.ignoreMerges;
    this.#unkId = spec.unkId;
    this.#pairs = PairTable.of(spec, this.#ids);
  }

  /** The id of an ordinary token by its spelling; null where there is none. */
  idOf(token: string): number | null {
    return this.#ids.get(token) ?? null;
  }

  /**
   * Appends the ids of a piece to `out`.
   * @throws TextError for a byte that the vocabulary has no token for
   */
  encode(piece: string, out: number[]): void {
    const cached = this.#cache.get(piece);
    if (cached !== undefined) {
      for (const id of cached) out.push(id);
      return;
    }
    const ids = this.#merge(this.#utf8.encode(piece));
    for (const id of ids) out.push(id);
    if (piece.length > CACHED_PIECE_LENGTH) return;
    if (this.#cache.size >= CACHED_PIECES) this.#cache.clear();
    this.#cache.set(piece, ids);
  }

  #merge(bytes: Uint8Array): number[] {
    if (this.#ignoreMerges) {
      const whole = this.#ids.get(spellShort(bytes));
      if (whole !== undefined) return [whole];
    }
    // The symbols are a linked list over their first bytes: `ids[at]` (-1 once joined into the one before).
    const ids = Int32Array.from(bytes, (byte) => this.#byteToken(byte));
    const n = ids.length;
    if (n === 1) return [ids[0]!];
    const before = Int32Array.from({ length: n }, (_, i) => i - 1);
    const after = Int32Array.from({ length: n }, (_, i) => i + 1);
    const pairs = this.#pairs;
    const queue = new MinHeap(n);
    const offer = (at: number): void => {
      const next = after[at]!;
      if (next >= n) return;
      const pair = pairs.find(ids[at]!, ids[next]!);
      if (pair >= 0) queue.push(pairs.rank(pair) * POSITIONS + at);
    };
    for (let at = 0; at < n - 1; at++) offer(at);
    for (let key = queue.pop(); key >= 0; key = queue.pop()) {
      const rank = Math.floor(key / POSITIONS);
      const at = key - rank * POSITIONS;
      const next = after[at]!;
      if (ids[at]! < 0 || next >= n) continue;
      const pair = pairs.find(ids[at]!, ids[next]!);
      if (pair < 0 || pairs.rank(pair) !== rank) continue; // one of the two was joined meanwhile
      ids[at] = pairs.merged(pair);
      ids[next] = -1;
      const follower = after[next]!;
      after[at] = follower;
      if (follower < n) before[follower] = at;
      offer(at);
      if (before[at]! >= 0) offer(before[at]!);
    }
    return Array.from(ids.filter((id) => id >= 0));
  }

  #byteToken(byte: number): number {
    const id = this.#idOfByte[byte]!;
    if (id >= 0) return id;
    if (this.#unkId !== null) return this.#unkId;
    throw new TextError(`the vocabulary has no token for the byte 0x${byte.toString(16).padStart(2, "0")} of the text`);
  }
}

/** The spelling of a piece that may be a token; longer than any token of a vocabulary is not worth spelling. */
function spellShort(bytes: Uint8Array): string {
  let text = "";
  if (bytes.length > 1024) return text;
  for (const byte of bytes) text += String.fromCharCode(CODE_OF_BYTE[byte]!);
  return text;
}

/** Binary heap of non-negative numbers, smallest first. */
class MinHeap {
  #keys: Float64Array;
  #size = 0;

  constructor(capacity: number) {
    this.#keys = new Float64Array(capacity);
  }

  push(key: number): void {
    if (this.#size === this.#keys.length) {
      const grown = new Float64Array(this.#keys.length * 2);
      grown.set(this.#keys);
      this.#keys = grown;
    }
    const keys = this.#keys;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (keys[parent]! <= key) break;
      keys[at] = keys[parent]!;
      at = parent;
    }
    keys[at] = key;
  }

  /** The smallest key, removed; -1 when empty. */
  pop(): number {
    if (this.#size === 0) return -1;
    const keys = this.#keys;
    const top = keys[0]!;
    const key = keys[--this.#size]!;
    let at = 0;
    for (let child = 1; child < this.#size; child = 2 * at + 1) {
      if (child + 1 < this.#size && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= key) break;
      keys[at] = keys[child]!;
      at = child;
    }
    keys[at] = key;
    return top;
  }
}
