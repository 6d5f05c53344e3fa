import { ConfigError } from "../errors.ts";
import type { TokenizerSpec } from "./spec.ts";

const FIELDS = 4; // left id, right id, rank, merged id

/**
 * Which two tokens join into which, with what rank. A hash table in one typed array: looked up for every pair of
 * neighbours, where a Map with string or double keys takes several times as long.
 */
export class PairTable {
  /** FIELDS integers a slot; left id -1 marks a free one. */
  #slots: Int32Array;
  #mask: number;
  #count = 0;

  constructor(expected: number) {
    let capacity = 64;
    while (capacity < expected * 2) capacity *= 2;
    this.#slots = new Int32Array(capacity * FIELDS).fill(-1);
    this.#mask = capacity - 1;
  }

  /**
   * @param ids id of every ordinary token
   * @throws ConfigError for a merge that names or gives a token that does not exist
   */
  static of(spec: TokenizerSpec, ids: ReadonlyMap<string, number>): PairTable {
    return spec.merges.kind === "list" ? fromList(spec, spec.merges.pairs, ids) : fromIds(ids);
  }

  /** The first rank given to a pair stays. */
  add(left: number, right: number, rank: number, merged: number): void {
    if ((this.#count + 1) * 2 > this.#mask + 1) this.#grow();
    const at = this.#slot(left, right);
    const slots = this.#slots;
    if (slots[at] !== -1) return;
    slots[at] = left;
    slots[at + 1] = right;
    slots[at + 2] = rank;
    slots[at + 3] = merged;
    this.#count++;
  }

  /** Where a pair stands in the table, to be handed to `rank` and `merged`; -1 where the two do not join. */
  find(left: number, right: number): number {
    const at = this.#slot(left, right);
    return this.#slots[at] === -1 ? -1 : at;
  }

  rank(at: number): number {
    return this.#slots[at + 2]!;
  }

  merged(at: number): number {
    return this.#slots[at + 3]!;
  }

  #slot(left: number, right: number): number {
    const slots = this.#slots;
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash ^= hash >>> 15;
    for (let i = hash & this.#mask; ; i = (i + 1) & this.#mask) {
      const at = i * FIELDS;
      if (slots[at] === -1 || (slots[at] === left && slots[at + 1] === right)) return at;
    }
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2).fill(-1);
    this.#mask = this.#slots.length / FIELDS - 1;
    this.#count = 0;
    for (let at = 0; at < old.length; at += FIELDS)
      if (old[at] !== -1) this.add(old[at]!, old[at + 1]!, old[at + 2]!, old[at + 3]!);
  }
}

function fromList(
  spec: TokenizerSpec,
  pairs: readonly (string | readonly [string, string])[],
  ids: ReadonlyMap<string, number>,
): PairTable {
  const table = new PairTable(pairs.length);
  const added = new Set(spec.addedTokens.map((token) => token.content));
  for (let rank = 0; rank < pairs.length; rank++) {
    const pair = pairs[rank]!;
    let left: string;
    let right: string;
    if (typeof pair === "string") {
      const space = pair.indexOf(" ");
      left = pair.slice(0, space);
      right = pair.slice(space + 1);
    } else [left, right] = pair;
    const leftId = ids.get(left);
    const rightId = ids.get(right);
    const merged = ids.get(left + right);
    if (leftId !== undefined && rightId !== undefined && merged !== undefined) {
      table.add(leftId, rightId, rank, merged);
    } else if (![left, right, left + right].some((token) => added.has(token))) {
      // A merge into an added token is passed over: only text that is allowed to hold one may give its id.
      throw new ConfigError(
        `${spec.source}: merges[${rank}]`,
        `${JSON.stringify(pair)} names or gives a token that the vocabulary does not have`,
      );
    }
  }
  return table;
}

/** Every way to cut a token into two tokens is a merge of the token's rank, its id. */
function fromIds(ids: ReadonlyMap<string, number>): PairTable {
  const table = new PairTable(ids.size * 3);
  for (const [token, merged] of ids) {
    for (let cut = 1; cut < token.length; cut++) {
      const left = ids.get(token.slice(0, cut));
      const right = left === undefined ? undefined : ids.get(token.slice(cut));
      if (left !== undefined && right !== undefined) table.add(left, right, merged, merged);
    }
  }
  return table;
}
