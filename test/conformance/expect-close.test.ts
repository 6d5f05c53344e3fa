import { describe, expect, it } from "vitest";
import { EPSILON, expectClose } from "./expect-close.ts";
import type { Exact } from "./truth/exact.ts";

/** Three elements; the last is the small difference of large terms. */
const want: Exact = { values: Float64Array.of(1, -100, 0.001), scale: Float64Array.of(1, 100, 50) };
const right = [1, -100, 0.001];

describe("expectClose", () => {
  it("accepts the truth, and errors within the tolerance of each element's scale", () => {
    expect(expectClose(right, want, 0, "x")).toBe(0);
    expect(expectClose([1, -100, 0.001 + 49 * 4 * EPSILON], want, 4, "x")).toBeGreaterThan(3);
  });

  it("rejects a single wrong element and names it", () => {
    for (const at of [0, 1, 2]) {
      const got = [...right];
      got[at]! += 5 * EPSILON * want.scale[at]!;
      expect(() => expectClose(got, want, 4, "logits")).toThrow(new RegExp(`^logits: 1 of 3 .* worst, ${at},`));
    }
  });

  it("rejects a NaN and an infinity wherever they are", () => {
    for (const at of [0, 1, 2]) {
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const got = [...right];
        got[at] = bad;
        expect(() => expectClose(got, want, 1e6, "x")).toThrow(`worst, ${at}, is ${bad}`);
      }
    }
  });

  it("rejects a short and a long array", () => {
    expect(() => expectClose(right.slice(0, 2), want, 4, "x")).toThrow("want 3 elements, got 2");
    expect(() => expectClose([...right, 0], want, 4, "x")).toThrow("want 3 elements, got 4");
    expect(() => expectClose([], want, 4, "x")).toThrow("got 0");
  });

  it("rejects a value a hundred times too large, which a bound that multiplies instead of divides lets through", () => {
    expect(() => expectClose([100, -100, 0.001], want, 4, "x")).toThrow();
  });

  it("takes a denormal for zero and nothing larger", () => {
    const zero: Exact = { values: Float64Array.of(0), scale: Float64Array.of(0) };
    expect(expectClose([1e-39], zero, 0, "x")).toBe(0);
    expect(() => expectClose([1e-30], zero, 4, "x")).toThrow();
  });
});
