import { describe, expect, it } from "vitest";
import { FormatError } from "../../errors.ts";
import type { BlockScales, WeightSegment, WeightSource } from "../weight.ts";
import { encodeF32 } from "./encode.ts";
import { readWeight } from "./read-weight.ts";

const ONE = 0x38; // 1 in E4M3

function segment(rows: number, bytes: Uint8Array, scales?: BlockScales): WeightSegment {
  return { rows, file: "f", offset: 40, byteLength: bytes.length, read: async () => bytes, scales };
}

function weight(shape: number[], dtype: WeightSource["dtype"], ...segments: WeightSegment[]): WeightSource {
  return { name: "w", dtype, shape, segments };
}

/** Scale (r, c) of the matrix is 10 r + c + 1. */
function blockScales(rows: number, columns: number, firstRow: number): BlockScales {
  const values = Float32Array.from(
    { length: rows * columns },
    (_, i) => 10 * Math.floor(i / columns) + (i % columns) + 1,
  );
  return { blockRows: 3, blockCols: 2, columns, firstRow, read: async () => values };
}

describe("readWeight", () => {
  it("joins segments in order, whatever the shape above the rows", async () => {
    const parts = [Float32Array.of(1, 2), Float32Array.of(3, 4, 5, 6), Float32Array.of(7, 8)].map(encodeF32);
    const source = weight([2, 2, 2], "F32", segment(1, parts[0]!), segment(2, parts[1]!), segment(1, parts[2]!));
    expect([...(await readWeight(source))]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("reads a vector and a scalar as one row", async () => {
    expect([...(await readWeight(weight([2], "F32", segment(1, encodeF32(Float32Array.of(1, 2))))))]).toEqual([1, 2]);
    expect([...(await readWeight(weight([], "F32", segment(1, encodeF32(Float32Array.of(5))))))]).toEqual([5]);
  });

  it("scales FP8 blocks, the last ones cut, from the row where the segment starts", async () => {
    // 4 of the 7 rows of a matrix with 5 columns: rows 2 to 5 lie in the block rows 0 and 1.
    const source = weight([4, 5], "F8_E4M3", segment(4, new Uint8Array(20).fill(ONE), blockScales(3, 3, 2)));
    expect([...(await readWeight(source))]).toEqual(
      [[1, 1, 2, 2, 3], ...Array<number[]>(3).fill([11, 11, 12, 12, 13])].flat(),
    );
  });

  it("rounds the scaled value once, to f32", async () => {
    const scales = { ...blockScales(1, 1, 0), read: async () => Float32Array.of(0.1) };
    const source = weight([1, 1], "F8_E4M3", segment(1, Uint8Array.of(0x3d), scales)); // 1.625
    expect((await readWeight(source))[0]).toBe(Math.fround(1.625 * Math.fround(0.1)));
  });

  it("refuses scales that do not cover the rows", async () => {
    const bytes = new Uint8Array(20).fill(ONE);
    for (const scales of [blockScales(1, 3, 2), blockScales(3, 2, 2)]) {
      const reading = readWeight(weight([4, 5], "F8_E4M3", segment(4, bytes, scales)));
      await expect(reading).rejects.toThrow(FormatError);
      await expect(reading).rejects.toThrow("f: byte 40: w: rows 2 to 6 of 5 need 2 x 3 block scales");
    }
  });

  it("refuses segments with too few bytes or too few rows", async () => {
    await expect(readWeight(weight([2, 2], "F16", segment(2, new Uint8Array(6))))).rejects.toThrow(FormatError);
    await expect(readWeight(weight([2, 2], "F16", segment(1, new Uint8Array(4))))).rejects.toThrow(RangeError);
  });
});
