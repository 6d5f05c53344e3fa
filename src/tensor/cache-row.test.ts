import { describe, expect, it } from "vitest";
import { cacheRowBytes, throughCache } from "./cache-row.ts";

describe("cacheRowBytes", () => {
  it("is that of the type; q8_0 fills up its last block", () => {
    const bytes = (width: number, dtype: "f32" | "f16" | "q8_0") => cacheRowBytes({ name: "latent", width, dtype });
    expect([bytes(512, "f32"), bytes(512, "f16"), bytes(512, "q8_0")]).toEqual([2048, 1024, 544]);
    expect([bytes(33, "f16"), bytes(33, "q8_0"), bytes(1, "q8_0")]).toEqual([66, 68, 34]);
  });
});

describe("throughCache", () => {
  it("rounds to the nearest f16, ties to even, down to subnormals", () => {
    const row = Float32Array.of(1, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, -(2 ** -25), 3 * 2 ** -25, 0.1);
    const want = [1, 1, 1 + 2 ** -9, 65504, Infinity, -0, 2 ** -23, 0.0999755859375];
    expect([...throughCache(row, "f16")]).toEqual(want);
  });

  it("gives q8_0 a step for each 32, and 127 codes on either side", () => {
    const row = Float32Array.from({ length: 40 }, (_, i) => (i < 32 ? 0 : 1));
    row[0] = 127;
    row[1] = -127;
    row[2] = 0.5;
    row[3] = 1.5;
    const out = throughCache(row, "q8_0");
    expect([...out.subarray(0, 4)]).toEqual([127, -127, 0, 2]);
    expect(out[39]).toBeCloseTo(1, 3);
    expect([...throughCache(new Float32Array(3), "q8_0")]).toEqual([0, 0, 0]);
  });
});
