import { describe, expect, it } from "vitest";
import { DTYPES, type DType, rowBytes } from "../dtype.ts";
import { decodeBlocks } from "./decode.ts";

describe("decodeBlocks", () => {
  it.each(Object.keys(DTYPES) as DType[])("%s writes every element of every block, wherever the bytes lie", (dtype) => {
    const elements = 3 * DTYPES[dtype].blockElements;
    const bytes = new Uint8Array(rowBytes(dtype, elements) + 1).subarray(1); // unaligned, all zero
    const out = new Float32Array(elements).fill(NaN);
    decodeBlocks(dtype, bytes, out);
    expect(out.some(Number.isNaN)).toBe(false);
  });

  it("reads a Q8_0 block as scale times signed bytes", () => {
    const block = Uint8Array.from({ length: 34 }, (_, i) => i - 2);
    block.set([0x00, 0xb8]); // f16 -0.5
    block[33] = 0x80;
    const out = new Float32Array(32);
    decodeBlocks("Q8_0", block, out);
    expect([...out.subarray(0, 3)]).toEqual([-0, -0.5, -1]);
    expect(out[31]).toBe(64);
  });

  it("reads the scale bytes of NVFP4 that no number has as ggml does: 0x7f as zero, 0xff as 480", () => {
    const block = new Uint8Array(36).fill(0x22); // every code is 1
    block.set([0x7f, 0xff, 0x38, 0xb8]);
    const out = new Float32Array(64);
    decodeBlocks("NVFP4", block, out);
    expect([out[0], out[16], out[32], out[48]]).toEqual([0, 480, 1, 1]);
  });

  it("refuses bytes that are not those of the elements", () => {
    expect(() => decodeBlocks("Q8_0", new Uint8Array(33), new Float32Array(32))).toThrow(RangeError);
    expect(() => decodeBlocks("Q8_0", new Uint8Array(34), new Float32Array(31))).toThrow(RangeError);
    expect(() => decodeBlocks("F32", new Uint8Array(8), new Float32Array(1))).toThrow(RangeError);
  });
});
