import { describe, expect, it } from "vitest";
import { argmax, joinRows, median, rowDifferences, worstDifference, wrongIds } from "./measure.ts";

const f32 = (...values: number[]) => Float32Array.from(values);

describe("measuring", () => {
  it("finds the one element that is off, a NaN, and a missing one", () => {
    expect(worstDifference(f32(1, 2, 3), f32(1, 2, 3))).toBe(0);
    expect(worstDifference(f32(1, 2, 3), f32(1, 2.5, 3))).toBe(0.5);
    expect(worstDifference(f32(1, Number.NaN, 3), f32(1, 2, 3))).toBeNaN();
    expect(worstDifference(f32(1, 2), f32(1, 2, 3))).toBe(Number.POSITIVE_INFINITY);
  });

  it("counts wrong, missing and surplus ids", () => {
    expect(wrongIds([1, 2, 3], [1, 2, 3])).toBe(0);
    expect(wrongIds([1, 9, 3], [1, 2, 3])).toBe(1);
    expect(wrongIds([1, 2], [1, 2, 3])).toBe(1);
    expect(wrongIds([1, 2, 3, 4], [1, 2, 3])).toBe(1);
  });

  it("works row by row", () => {
    expect(rowDifferences(f32(1, 2, 3, 4), { shape: [2, 2], values: f32(1, 3, 6, 4) })).toEqual([1, 3]);
    expect(joinRows([Int32Array.of(1), Int32Array.of(2, 3)])).toEqual(Int32Array.of(1, 2, 3));
  });

  it("takes the middle value, and of equal largest ones the first", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2);
    expect(argmax(f32(1, 5, 5, 2))).toBe(1);
  });
});
