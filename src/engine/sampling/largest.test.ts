import fc from "fast-check";
import { expect, it } from "vitest";
import { Candidates } from "./candidates.ts";
import { LargestFinder } from "./largest.ts";

/** The definition, by sorting. */
function naive(values: readonly number[], k: number): number[] {
  const order = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
  return order.slice(0, k).sort((a, b) => a - b);
}

const value = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.constant(-Infinity),
);

it("the largest of a row are those that sorting finds, the first among equals", () => {
  const finder = new LargestFinder(8);
  fc.assert(
    fc.property(fc.array(value, { maxLength: 80 }), fc.integer({ min: 1, max: 8 }), (values, k) => {
      const row = Float32Array.from(values);
      const found = finder.find(row, row.length, k);
      expect([...finder.indices.subarray(0, found)]).toEqual(naive([...row], k));
    }),
  );
});

it.each([
  ["ascending", (i: number) => i],
  ["descending", (i: number) => -i],
  ["all equal", () => 1],
  ["in waves", (i: number) => (i * 7919) % 1009],
])("the largest of a long row are found, %s", (_, of) => {
  const values = Array.from({ length: 20_000 }, (_, i) => of(i));
  const finder = new LargestFinder(64);
  for (const k of [1, 2, 40, 64]) {
    const found = finder.find(Float64Array.from(values), values.length, k);
    expect([...finder.indices.subarray(0, found)]).toEqual(naive(values, k));
  }
});

it("loading the largest gives what loading all and keeping the largest gives, with a mask too", () => {
  const state = (c: Candidates) => [[...c.ids.subarray(0, c.count)], [...c.logits.subarray(0, c.count)]];
  const size = 70;
  const rows = fc.array(value, { minLength: size, maxLength: size });
  const masks = fc.option(fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: 3, maxLength: 3 }));
  fc.assert(
    fc.property(rows, masks, fc.integer({ min: 1, max: 9 }), (values, mask, k) => {
      const [one, two] = [new Candidates(size), new Candidates(size)];
      const row = Float32Array.from(values);
      const allowed = mask === null ? undefined : Uint32Array.from(mask);
      one.loadLargest(row, k, allowed);
      two.load(row, allowed);
      two.keepLargest(k);
      // What is impossible is left out, or kept with a logit of -Infinity: never chosen.
      const possible = (c: Candidates) => {
        c.keepWhere((i) => c.logits[i]! > -Infinity);
        return state(c);
      };
      expect(possible(one)).toEqual(possible(two));
    }),
  );
});

it.each([Number.NaN, Infinity])("a row with %s is refused wherever it stands", (broken) => {
  const c = new Candidates(64);
  for (const at of [0, 30, 63]) {
    const row = Float32Array.from({ length: 64 }, (_, i) => i % 9);
    row[at] = broken;
    expect(() => c.loadLargest(row, 2)).toThrow(`token ${at} has ${broken}`);
    expect(() => c.loadLargest(row, 2, new Uint32Array(2))).toThrow(`token ${at} has ${broken}`);
  }
});
