import { describe, expect, it } from "vitest";
import { collect, countingTensor } from "../../test/tiny-files.ts";
import { safetensorsChunks } from "./safetensors-writer.ts";
import type { TensorContent } from "./tensor-content.ts";

describe("safetensorsChunks", () => {
  it("pads the header to eight bytes and puts wide elements first", async () => {
    const tensors = [countingTensor("narrow", "U8", [3], 3), countingTensor("wide", "F64", [1], 8, 100)];
    const bytes = await collect(safetensorsChunks(tensors));
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))).toEqual({
      wide: { dtype: "F64", shape: [1], data_offsets: [0, 8] },
      narrow: { dtype: "U8", shape: [3], data_offsets: [8, 11] },
    });
    expect(bytes[8 + length]).toBe(100);
    expect(bytes).toHaveLength(8 + length + 11);
  });

  it.each<[string, TensorContent[]]>([
    ["too few bytes", [countingTensor("t", "F32", [2], 7)]],
    ["too many bytes", [countingTensor("t", "F32", [2], 9)]],
    ["a block type", [countingTensor("t", "Q8_0", [32], 34)]],
    ["a name twice", [countingTensor("t", "F32", [1], 4), countingTensor("t", "F32", [1], 4)]],
    ["the name of the metadata", [countingTensor("__metadata__", "F32", [1], 4)]],
  ])("refuses %s", async (_, tensors) => {
    await expect(collect(safetensorsChunks(tensors))).rejects.toThrow(RangeError);
  });
});
