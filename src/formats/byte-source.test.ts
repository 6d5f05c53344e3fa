import { describe, expect, it } from "vitest";
import { FormatError } from "../errors.ts";
import { memoryFolder, memorySource } from "./byte-source.ts";

describe("memorySource", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4);

  it("reads views, not copies", async () => {
    const read = await memorySource("x", bytes).read(1, 2);
    expect([...read]).toEqual([2, 3]);
    expect(read.buffer).toBe(bytes.buffer);
  });

  it("reads nothing at the very end", async () => {
    expect(await memorySource("x", bytes).read(4, 0)).toHaveLength(0);
  });

  it.each([
    [3, 2],
    [5, 0],
    [-1, 1],
    [0, -1],
    [0.5, 1],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [NaN, 1],
  ])("refuses the range %d + %d", async (offset, length) => {
    await expect(memorySource("x", bytes).read(offset, length)).rejects.toThrow(FormatError);
  });
});

describe("memoryFolder", () => {
  it("opens its own files and nothing inherited", async () => {
    const folder = memoryFolder({ a: Uint8Array.of(7) });
    expect(await folder.has("a")).toBe(true);
    expect((await folder.open("a")).size).toBe(1);
    expect(await folder.has("constructor")).toBe(false);
    await expect(folder.open("constructor")).rejects.toThrow(FormatError);
  });
});
