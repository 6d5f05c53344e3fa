import { describe, expect, it } from "vitest";
import { openSafetensorsPath } from "../src/formats/open-path.ts";
import type { TensorFile } from "../src/formats/tensor-file.ts";
import { decodeBlocks } from "../src/tensor/decode/decode.ts";
import { DTYPES, type DType } from "../src/tensor/dtype.ts";
import { fixture, fixtureNames, NO_SHARED } from "./shared-fixtures.ts";

const files = fixtureNames("dequant").filter((name) => name.endsWith(".safetensors"));

describe("dequantisation", () => {
  if (files.length === 0) it("gives ggml's values bit for bit", (t) => t.skip(NO_SHARED));

  for (const name of files) {
    it(`${name} gives ggml's values bit for bit`, async () => {
      const dtype = name.replace(".safetensors", "") as DType;
      expect(Object.keys(DTYPES)).toContain(dtype);
      const file = await openSafetensorsPath(fixture("dequant", name)!);
      expect([...file.tensors.keys()].sort()).toEqual(["rand_bytes", "rand_f32", "real_bytes", "real_f32"]);
      for (const kind of ["real", "rand"]) {
        const want = await floats(file, `${kind}_f32`);
        const got = new Float32Array(want.length);
        decodeBlocks(dtype, await file.tensors.get(`${kind}_bytes`)!.read(), got);
        expect(firstDifference(got, want), kind).toBeNull();
      }
      await file.close();
    });
  }

  it("notices a wrong last bit, a missing value and a lost sign", () => {
    const want = Float32Array.of(1, 0, NaN);
    expect(firstDifference(Float32Array.of(1, 0, NaN), want)).toBeNull();
    expect(firstDifference(Float32Array.of(1 + 2 ** -23, 0, NaN), want)).toMatch("element 0");
    expect(firstDifference(Float32Array.of(1, -0, NaN), want)).toMatch("element 1");
    expect(firstDifference(Float32Array.of(1, 0, 0), want)).toMatch("element 2");
    expect(firstDifference(Float32Array.of(1, 0), want)).toMatch("element 2");
  });
});

async function floats(file: TensorFile, name: string): Promise<Float32Array> {
  const entry = file.tensors.get(name)!;
  expect(entry.dtype).toBe("F32");
  const values = new Float32Array(entry.byteLength / 4);
  decodeBlocks("F32", await entry.read(), values);
  return values;
}

/** Bits decide, save that any NaN equals any other. */
function firstDifference(got: Float32Array, want: Float32Array): string | null {
  for (let i = 0; i < Math.max(got.length, want.length); i++) {
    if (!Object.is(got[i], want[i])) return `element ${i}: got ${got[i]}, want ${want[i]}`;
  }
  return null;
}
