import { describe, expect, it } from "vitest";
import { BlockPool } from "./block-pool.ts";
import { Sequence, type SequenceOptions } from "./sequence.ts";

const PAGE = 4;

function newPool(pages: number, deterministic = false): BlockPool {
  return new BlockPool({ pages, pageSize: PAGE, deterministic });
}

/** A sequence of the numbers from `from`, its prompt. */
function sequence(length: number, from = 0, options: Partial<SequenceOptions> = {}): Sequence {
  return new Sequence({ prompt: Array.from({ length }, (_, i) => from + i), maxLength: 100, ...options });
}

/** Computes all tokens so far. */
function compute(pool: BlockPool, s: Sequence): void {
  pool.takePrefix(s);
  expect(pool.reserve(s, s.tokens.length)).toBe(true);
  s.advance(s.tokens.length, false);
  pool.publish(s);
}

describe("the pages of the cache", () => {
  it("a text that was read is found again, whole pages of it, never its last token", () => {
    const pool = newPool(8);
    const first = sequence(10);
    compute(pool, first);
    const again = sequence(10);
    pool.takePrefix(again);
    expect([again.numComputed, again.cachedPromptTokens]).toEqual([8, 8]);
    expect(again.pages).toEqual(first.pages.slice(0, 2));
    const exact = sequence(8);
    pool.takePrefix(exact);
    expect(exact.numComputed).toBe(4);
  });

  it("is found after its end too, until the place is needed: the longest unused goes first, ends before beginnings", () => {
    const pool = newPool(4);
    const [old, young] = [sequence(9, 0), sequence(9, 100)];
    compute(pool, old);
    pool.release(old);
    expect([pool.available, pool.indexed]).toEqual([4, 2]);
    compute(pool, young); // two pages were free, the third is the end of the old text
    expect(pool.evictions).toBe(1);
    const again = sequence(9, 0);
    pool.takePrefix(again);
    expect(again.numComputed).toBe(4);
    pool.release(again);
    pool.release(young);
    expect(pool.available).toBe(4);
    compute(pool, sequence(16, 200));
    const gone = sequence(9, 0);
    pool.takePrefix(gone);
    expect([gone.numComputed, pool.evictions]).toEqual([0, 4]);
  });

  it("a text that is shared with none finds nothing, is not found, and leaves what others may find", () => {
    const pool = newPool(5);
    const shared = sequence(9);
    compute(pool, shared);
    pool.release(shared);
    const own = sequence(9, 0, { salt: null });
    compute(pool, own);
    expect([own.cachedPromptTokens, pool.indexed]).toEqual([0, 2]);
    pool.release(own);
    compute(pool, sequence(9, 100, { salt: null }));
    expect(pool.indexed).toBe(2);
  });

  it("a page that several hold comes back when the last gives it up", () => {
    const pool = newPool(4);
    const [a, b] = [sequence(6), sequence(6)];
    compute(pool, a);
    compute(pool, b);
    expect([pool.available, a.pages[0]]).toEqual([1, b.pages[0]]);
    pool.release(a);
    expect(pool.available).toBe(2);
    pool.release(b);
    expect(pool.available).toBe(4);
  });

  it("gives nothing where there is too little, and takes nothing", () => {
    const pool = newPool(2);
    const s = sequence(3);
    expect(pool.reserve(s, 9)).toBe(false);
    expect([s.pages.length, pool.available]).toEqual([0, 2]);
  });

  it("is shared only by those of the same salt", () => {
    const pool = newPool(8);
    compute(pool, sequence(6, 0, { salt: "a" }));
    const other = sequence(6, 0, { salt: "b" });
    pool.takePrefix(other);
    expect(other.numComputed).toBe(0);
    const same = sequence(6, 0, { salt: "a" });
    pool.takePrefix(same);
    expect(same.numComputed).toBe(4);
  });

  it("goes by the token ids: one other id, or the same page behind another beginning, is another text", () => {
    const pool = newPool(16);
    compute(pool, sequence(12));
    const changed = sequence(12);
    changed.tokens[5] = 99_999;
    pool.takePrefix(changed);
    expect(changed.numComputed).toBe(4);
    const moved = new Sequence({ prompt: [4, 5, 6, 7, 8, 9, 10, 11, 12], maxLength: 50 });
    pool.takePrefix(moved);
    expect(moved.numComputed).toBe(0);
    const wide = new Sequence({ prompt: [65_536, 1, 2, 3, 4], maxLength: 50 }); // the low half of the id is 0
    pool.takePrefix(wide);
    expect(wide.numComputed).toBe(0);
  });

  it("generated pages serve the next turn, but with `deterministic` only those of prompts do", () => {
    for (const deterministic of [false, true]) {
      const pool = newPool(16, deterministic);
      const turn = sequence(6);
      turn.tokens.push(6, 7, 8, 9, 10, 11, 12);
      compute(pool, turn);
      const next = sequence(20);
      pool.takePrefix(next);
      expect(next.numComputed).toBe(deterministic ? 4 : 12);
    }
  });

  it("what a sequence generated it takes back only as generated", () => {
    const pool = newPool(16);
    compute(pool, sequence(13)); // all of it a prompt
    const generating = sequence(6);
    generating.tokens.push(6, 7, 8, 9, 10, 11, 12);
    pool.takePrefix(generating);
    expect(generating.numComputed).toBe(4);
  });

  it("truncate gives back what rejected drafts had, and the text may go on in another way", () => {
    const pool = newPool(8);
    const s = sequence(6);
    compute(pool, s);
    s.tokens.push(70, 71, 72);
    expect(pool.reserve(s, 9)).toBe(true);
    s.advance(9, false);
    s.tokens.length = 7;
    pool.truncate(s, 7);
    expect([s.pages.length, s.numComputed, pool.available]).toEqual([2, 7, 6]);
    s.tokens.push(80);
    compute(pool, s);
    const drafted = new Sequence({ prompt: [0, 1, 2, 3, 4, 5, 70, 71, 72], maxLength: 50 });
    pool.takePrefix(drafted);
    expect(drafted.numComputed).toBe(4);
    const accepted = new Sequence({ prompt: [0, 1, 2, 3, 4, 5, 70, 80, 72], maxLength: 50 });
    pool.takePrefix(accepted);
    expect(accepted.numComputed).toBe(8);
  });

  it("a page that is gone takes along all that lay behind it, even what is still held", () => {
    const pool = newPool(3);
    const [a, b] = [sequence(4), sequence(9)];
    compute(pool, a);
    b.numComputed = 0;
    expect(pool.reserve(b, 8)).toBe(true); // b did not look: it has a first page of its own
    b.advance(8, false);
    pool.publish(b);
    pool.release(a);
    const c = sequence(4, 50);
    compute(pool, c); // takes the page of a, behind which the second of b was found
    const again = sequence(9);
    pool.takePrefix(again);
    expect(again.numComputed).toBe(0);
    for (const s of [b, c]) pool.release(s);
    expect([pool.available, pool.indexed]).toEqual([3, 1]);
  });

  it("takes in pages that were computed before, one behind the other, and only with what is before them", () => {
    const pool = newPool(4);
    const s = sequence(13);
    expect(pool.sharedPages(s)).toBe(3);
    expect(pool.adopt(s, 1, 8)).toBeNull();
    const [first, second] = [pool.adopt(s, 0, 4), pool.adopt(s, 1, 8)];
    expect(pool.known(s)).toEqual([first, second]);
    expect(pool.adopt(s, 1, 8), "there already").toBeNull();
    expect([pool.available, pool.holds(second!)]).toEqual([4, true]);
    pool.takePrefix(s);
    expect([s.pages, s.cachedPromptTokens]).toEqual([[first!.page, second!.page], 8]);
    pool.forget(second!.page);
    expect([pool.holds(first!), pool.holds(second!)]).toEqual([true, false]);
  });

  it("takes in no page in place of those before it, nor of what is held", () => {
    const pool = newPool(3);
    const held = sequence(4, 50);
    compute(pool, held);
    const old = sequence(5, 100);
    compute(pool, old);
    pool.release(old);
    const s = sequence(20);
    expect(pool.adopt(s, 0, 4)).not.toBeNull();
    expect(pool.adopt(s, 1, 8), "in place of the old text").not.toBeNull();
    expect(pool.adopt(s, 2, 12)).toBeNull();
    expect(pool.known(s)).toHaveLength(2);
  });

  it("with `deterministic` what is generated is not published", () => {
    for (const deterministic of [false, true]) {
      const pool = newPool(8, deterministic);
      const s = sequence(6);
      s.tokens.push(6, 7, 8, 9, 10, 11);
      compute(pool, s);
      expect(pool.published(s).map(({ promptRows }) => promptRows)).toEqual(deterministic ? [4] : [4, 6, 6]);
    }
  });
});
