import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codePoints, complement, difference, pairs, union, utf8Sequences } from "./code-points.ts";

const sets = fc
  .array(fc.tuple(fc.nat(0x10ffff), fc.nat(0x3000)), { maxLength: 6 })
  .map((ranges) => codePoints(...ranges.map(([lo, size]): [number, number] => [lo, Math.min(lo + size, 0x10ffff)])));
const has = (set: readonly number[], point: number) => pairs(set).some(([lo, hi]) => lo <= point && point <= hi);

describe("sets of code points", () => {
  it("hold no surrogates, join what touches, and are ordered", () => {
    expect(codePoints([5, 9], [0, 4], [0xd000, 0xe001])).toEqual([0, 9, 0xd000, 0xd7ff, 0xe000, 0xe001]);
    expect(codePoints([9, 5])).toEqual([]);
  });

  it("have complements, unions and differences", () => {
    fc.assert(
      fc.property(sets, sets, fc.nat(0x10ffff), (a, b, any) => {
        for (const point of [any, ...a, ...b].filter((p) => p < 0xd800 || p > 0xdfff)) {
          expect(has(complement(a), point)).toBe(!has(a, point));
          expect(has(union(a, b), point)).toBe(has(a, point) || has(b, point));
          expect(has(difference(a, b), point)).toBe(has(a, point) && !has(b, point));
        }
      }),
    );
  });
});

describe("the UTF-8 of a set", () => {
  it("is that of its characters, each by one sequence", () => {
    fc.assert(
      fc.property(sets, fc.nat(0x10ffff), (set, any) => {
        const sequences = utf8Sequences(set);
        const ends = set.flatMap((point) => [point - 1, point, point + 1]).filter((p) => p >= 0 && p <= 0x10ffff);
        for (const point of [any, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, ...ends]) {
          if (point >= 0xd800 && point <= 0xdfff) continue;
          const bytes = new TextEncoder().encode(String.fromCodePoint(point));
          const matching = sequences.filter(
            (s) => s.length === bytes.length && s.every(([lo, hi], i) => lo <= bytes[i]! && bytes[i]! <= hi),
          );
          expect(matching.length, `U+${point.toString(16)}`).toBe(has(set, point) ? 1 : 0);
        }
      }),
    );
  });
});
