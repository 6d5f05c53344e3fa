import { describe, expect, it } from "vitest";
import { collect, countingTensor } from "../../test/tiny-files.ts";
import type { GgufValue } from "./gguf-values.ts";
import { ggufChunks } from "./gguf-writer.ts";
import type { TensorContent } from "./tensor-content.ts";

const metadata = (value: GgufValue) => new Map([["k", value]]);

describe("ggufChunks", () => {
  it("asks for one tensor's data at a time", async () => {
    const events: string[] = [];
    const tensor = (name: string): TensorContent => ({
      name,
      dtype: "I8",
      shape: [2],
      async *data() {
        for (let i = 0; i < 2; i++) {
          events.push(`${name} made`);
          yield Uint8Array.of(i);
        }
      },
    });
    for await (const { length } of ggufChunks(new Map(), [tensor("a"), tensor("b")])) events.push(`${length} written`);
    expect(events).toEqual(
      ["96 written", "a made", "1 written", "a made", "1 written", "30 written"].concat([
        "b made",
        "1 written",
        "b made",
        "1 written",
        "30 written",
      ]),
    );
  });

  it.each<[string, GgufValue]>([
    ["u8 of 256", { type: "u8", value: 256 }],
    ["i8 of -129", { type: "i8", value: -129 }],
    ["u32 of -1", { type: "u32", value: -1 }],
    ["i32 of 0.5", { type: "i32", value: 0.5 }],
    ["u64 of 2^64", { type: "u64", value: 2n ** 64n }],
    ["u16 list with 65536", { type: "array", of: "u16", value: [1, 65536] }],
  ])("refuses a %s", async (_, value) => {
    await expect(collect(ggufChunks(metadata(value), []))).rejects.toThrow(RangeError);
  });

  it.each<[string, TensorContent[]]>([
    ["too few bytes", [countingTensor("t", "F32", [2], 7)]],
    ["too many bytes", [countingTensor("t", "F32", [2], 9)]],
    ["half a block", [countingTensor("t", "Q8_0", [33], 34)]],
    ["five dimensions", [countingTensor("t", "F32", [1, 1, 1, 1, 1], 4)]],
    ["a type that GGUF has not", [countingTensor("t", "F8_E4M3", [4], 4)]],
    ["a name twice", [countingTensor("t", "F32", [1], 4), countingTensor("t", "F32", [1], 4)]],
  ])("refuses %s", async (_, tensors) => {
    await expect(collect(ggufChunks(new Map(), tensors))).rejects.toThrow(RangeError);
  });

  it("refuses an alignment that is not a power of two", async () => {
    const value: GgufValue = { type: "u32", value: 48 };
    await expect(collect(ggufChunks(new Map([["general.alignment", value]]), []))).rejects.toThrow(RangeError);
  });
});
