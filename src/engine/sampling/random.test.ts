import { describe, expect, it } from "vitest";
import { freshSeed, Random, splitmix64 } from "./random.ts";

type State = [bigint, bigint, bigint, bigint];

/** xoshiro128** with 64-bit integers, apart from the code under test. */
function* reference(s: State): Generator<number, never> {
  const mask = 0xffffffffn;
  const rotate = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & mask;
  for (;;) {
    yield Number((rotate((s[1] * 5n) & mask, 7n) * 9n) & mask);
    const t = (s[1] << 9n) & mask;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 11n);
  }
}

const GAMMA = 0x9e3779b97f4a7c15n;

function seeded(seed: bigint): State {
  const a = splitmix64(seed + GAMMA);
  const b = splitmix64(seed + 2n * GAMMA);
  return [a & 0xffffffffn, a >> 32n, b & 0xffffffffn, b >> 32n];
}

describe("Random", () => {
  it("is judged by a reference that meets the values of the C code for the state 0, 1, 2, 3", () => {
    const numbers = reference([0n, 1n, 2n, 3n]);
    const published = [5760, 17280, 2966400, 32451840, 2604340873, 3891234569, 1254043636, 216095511, 3291724652];
    expect(published.map(() => numbers.next().value)).toEqual(published);
  });

  it("is xoshiro128** filled by splitmix64", () => {
    for (const seed of [0n, 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      const random = new Random(seed);
      const want = reference(seeded(seed));
      for (let i = 0; i < 200; i++) expect(random.uint32()).toBe(want.next().value);
    }
  });

  it("meets the published values of splitmix64 for seed 1234567", () => {
    const published = [6457827717110365317n, 3203168211198807973n, 9817491932198370423n, 4593380528125082431n];
    expect(published.map((_, i) => splitmix64(1234567n + BigInt(i + 1) * GAMMA))).toEqual(published);
  });

  it("repeats its sequence on every machine", () => {
    const random = new Random(42n);
    expect(Array.from({ length: 4 }, () => random.uint32())).toEqual([1776835114, 4165204688, 17111135, 2317295270]);
    expect(new Random(42n + (1n << 64n)).uint32()).toBe(1776835114);
  });

  it("uses all 64 bits of the seed", () => {
    const first = (seed: bigint) => new Random(seed).uint32();
    expect(new Set([5n, 5n + 2n ** 32n, 5n + 2n ** 63n, -5n].map(first)).size).toBe(4);
  });

  it("makes a fraction of 53 bits from two integers", () => {
    const want = reference(seeded(3n));
    const random = new Random(3n);
    for (let i = 0; i < 50; i++) {
      const high = BigInt(want.next().value) >> 5n;
      const low = BigInt(want.next().value) >> 6n;
      expect(random.uniform()).toBe(Number((high << 26n) | low) / 2 ** 53);
    }
  });

  it("gives uniform numbers in [0, 1)", () => {
    const random = new Random(9n);
    const bins = new Array<number>(20).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const u = random.uniform();
      bins[Math.floor(u * 20)]!++; // NaN outside [0, 1)
    }
    expect(bins).toHaveLength(20);
    const statistic = bins.reduce((sum, n) => sum + (n - 5000) ** 2 / 5000, 0);
    expect(statistic).toBeLessThan(50); // 19 degrees of freedom: p < 2e-4
  });

  it("picks different seeds when nobody chose one", () => {
    expect(freshSeed()).not.toBe(freshSeed());
  });
});
