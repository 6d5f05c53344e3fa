import { describe, expect, it } from "vitest";
import { FormatError } from "../errors.ts";
import { memorySource } from "./byte-source.ts";
import { elementBits, sortPlaces, tensorBytes, tensorEntry } from "./tensor-file.ts";

describe("tensorBytes", () => {
  it("counts blocks, single elements, scalars and empty tensors", () => {
    expect(tensorBytes("Q4_K", [3, 512])).toBe(3 * 2 * 144);
    expect(tensorBytes("BF16", [2, 3])).toBe(12);
    expect(tensorBytes("F32", [])).toBe(4);
    expect(tensorBytes("F4", [3, 2])).toBe(3);
    expect(tensorBytes("I64", [0, 5])).toBe(0);
  });

  it("refuses cut blocks, half bytes and products beyond 2^53", () => {
    expect(tensorBytes("Q4_K", [512, 3])).toMatch("not whole Q4_K blocks");
    expect(tensorBytes("Q8_0", [])).toMatch("not whole Q8_0 blocks");
    expect(tensorBytes("F4", [3])).toMatch("whole byte");
    expect(tensorBytes("U8", [2 ** 32, 2 ** 32])).toMatch("too many elements");
    expect(tensorBytes("F32", [2 ** 52])).toMatch("too many elements");
    expect(tensorBytes("F64", [2 ** 51])).toMatch("too many elements");
    // 2^32 x 2^32 wraps to zero in 64 bits: with a third factor the size of a huge tensor would look like a small one.
    expect(tensorBytes("F32", [2 ** 32, 2 ** 32, 4])).toMatch("too many elements");
  });
});

describe("sortPlaces", () => {
  const place = (name: string, offset: number, byteLength: number) =>
    ({ name, offset, byteLength, dtype: "U8", shape: [byteLength] }) as const;

  it("sorts by place and lets empty tensors lie anywhere", () => {
    const sorted = sortPlaces("f", [place("b", 4, 4), place("empty", 2, 0), place("a", 0, 4)]);
    expect(sorted.map(({ name }) => name)).toEqual(["a", "empty", "b"]);
  });

  it("refuses a shared byte, also behind an empty tensor", () => {
    const places = [place("a", 0, 5), place("empty", 4, 0), place("b", 4, 4)];
    expect(() => sortPlaces("f", places)).toThrow(FormatError);
    expect(() => sortPlaces("f", places)).toThrow("tensors a and b overlap");
  });
});

describe("tensorEntry", () => {
  const source = memorySource("f", Uint8Array.of(0, 1, 2, 3, 4, 5));
  const entry = tensorEntry(source, { name: "t", dtype: "U8", shape: [3], offset: 2, byteLength: 3 });

  it("reads its own bytes and parts of them", async () => {
    expect([...(await entry.read())]).toEqual([2, 3, 4]);
    expect([...(await entry.readRange(1, 2))]).toEqual([3, 4]);
  });

  it("does not read its neighbours", async () => {
    await expect(entry.readRange(1, 3)).rejects.toThrow(RangeError);
    await expect(entry.readRange(-1, 1)).rejects.toThrow(RangeError);
    await expect(entry.readRange(0, NaN)).rejects.toThrow(RangeError);
  });
});

it("elementBits includes the scales of a block", () => {
  expect(elementBits("Q8_0")).toBe(8.5);
  expect(elementBits("BF16")).toBe(16);
  expect(elementBits("I64")).toBe(64);
});
