import { describe, expect, it } from "vitest";
import cases from "../../test/vectors/rope/rope.json" with { type: "json" };
import type { RopeScaling } from "./config.ts";
import { rotation } from "./rope.ts";

describe("rotary frequencies", () => {
  it.each(cases)("are those of the papers: $name", ({ theta, dim, scaling, frequencies }) => {
    // The magnitude is no part of the frequencies: 3 stands for any.
    const config = scaling && ({ ...scaling, magnitude: 3 } as RopeScaling);
    const got = rotation({ theta, dim, pairs: "adjacent", scaling: config });
    expect(got.frequencies).toHaveLength(dim / 2);
    for (const [j, want] of frequencies.entries()) {
      expect(Math.abs(got.frequencies[j]! / want - 1), `pair ${j}`).toBeLessThan(1e-14);
    }
    expect(got.magnitude).toBe(scaling?.type === "yarn" ? 3 : 1);
  });

  it("of the fastest pair stay as they are under YaRN, those of the slowest are divided by the factor", () => {
    const yarn = {
      type: "yarn",
      factor: 40,
      originalMaxPositionEmbeddings: 4096,
      betaFast: 32,
      betaSlow: 1,
      magnitude: 1,
    };
    const plain = rotation({ theta: 10000, dim: 64, pairs: "adjacent", scaling: null });
    const scaled = rotation({ theta: 10000, dim: 64, pairs: "adjacent", scaling: yarn as RopeScaling });
    expect(scaled.frequencies[0]).toBe(plain.frequencies[0]);
    expect(scaled.frequencies[31]).toBeCloseTo(plain.frequencies[31]! / 40, 12);
  });
});
