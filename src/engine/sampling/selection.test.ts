import { describe, expect, it } from "vitest";
import { Random } from "./random.ts";
import { type Cut, MassSelector, quickselect } from "./selection.ts";

/** The definition, by sorting: how much of the weight of each key is kept, from the top. */
function naive(keys: readonly number[], weights: readonly number[], mass: number): Map<number, number> {
  const kept = new Map<number, number>();
  let left = mass;
  for (const i of [...keys.keys()].sort((a, b) => keys[b]! - keys[a]!)) {
    if (left <= 0) break;
    kept.set(keys[i]!, (kept.get(keys[i]!) ?? 0) + Math.min(left, weights[i]!));
    left -= weights[i]!;
  }
  return kept;
}

function keptBy({ threshold, ties }: Cut, keys: readonly number[], weights: readonly number[]): Map<number, number> {
  const kept = new Map<number, number>();
  for (const [i, key] of keys.entries()) if (key >= threshold) kept.set(key, (kept.get(key) ?? 0) + weights[i]!);
  if (kept.has(threshold)) kept.set(threshold, Math.min(kept.get(threshold)!, ties));
  return kept;
}

/** Weights are small integers, so that sums are exact in any order. */
function cases(): { name: string; keys: number[]; weights: number[] }[] {
  const random = new Random(3n);
  const whole = (n: number) => Math.floor(random.uniform() * n);
  const make = (name: string, count: number, key: (i: number) => number) => {
    return {
      name,
      keys: Array.from({ length: count }, (_, i) => key(i)),
      weights: Array.from({ length: count }, () => 1 + whole(4)),
    };
  };
  return [
    make("one entry", 1, () => 5),
    make("a few entries", 40, () => whole(9)),
    make("all equal", 2_000, () => -2),
    make("ascending", 2_000, (i) => i),
    make("descending", 2_000, (i) => -i),
    make("organ pipe", 2_000, (i) => -Math.abs(i - 1000)),
    make("few distinct keys", 2_000, () => whole(5)),
    make("random", 2_000, () => random.uniform() * 20 - 10),
    make("a nearly flat row", 2_000, () => 1e-12 * random.uniform()),
    make("an outlier above", 2_000, (i) => (i === 77 ? 1e30 : random.uniform())),
    make("outliers below", 2_000, (i) => (i % 7 === 0 ? -1e30 : random.uniform())),
    make("excluded entries", 2_000, (i) => (i % 3 === 0 ? -Infinity : random.uniform())),
    make("only excluded entries", 1_500, () => -Infinity),
  ];
}

describe.each(cases())("selection among $name", ({ keys, weights }) => {
  const total = weights.reduce((a, b) => a + b, 0);
  const masses = [0.5, 1, 2, 3, total / 3, total / 2, total - 1, total, total + 1].filter((mass) => mass > 0);

  it("finds the cut that sorting finds", () => {
    const selector = new MassSelector(keys.length);
    for (const mass of masses) {
      const cut = selector.cut(Float64Array.from(keys), Float64Array.from(weights), keys.length, mass);
      expect(keptBy(cut, keys, weights)).toEqual(naive(keys, weights, mass));
    }
  });

  it("finds it by quickselect alone", () => {
    for (const mass of masses) {
      const cut = quickselect(Float64Array.from(keys), Float64Array.from(weights), keys.length, mass);
      expect(keptBy(cut, keys, weights)).toEqual(naive(keys, weights, mass));
    }
  });
});
