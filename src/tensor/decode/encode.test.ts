import { describe, expect, it } from "vitest";
import { decodeBlocks } from "./decode.ts";
import { encodeBf16, encodeF16, encodeF32, encodeQ8_0 } from "./encode.ts";

/** The codes of one Q8_0 block of these values and zeros. */
function codes(...values: number[]): number[] {
  const block = new Float32Array(32);
  block.set(values);
  return [...new Int8Array(encodeQ8_0(block).buffer, 2, values.length)];
}

describe("encodeQ8_0", () => {
  it("rounds halves away from zero", () => {
    expect(codes(127, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5)).toEqual([127, 1, -1, 2, -2, 3, -3]);
    expect(codes(127, 0.49999997, -0.49999997)).toEqual([127, 0, 0]);
  });

  it("gives the bytes of ggml's quantiser, also where the f16 scale is subnormal", () => {
    const values = Float32Array.from({ length: 64 }, (_, i) => Math.fround((((i * 37) % 64) - 31.5) / (7 + (i % 3))));
    for (let i = 32; i < 64; i++) values[i] = values[i]! * Math.fround(1e-4);
    expect(Buffer.from(encodeQ8_0(values)).toString("hex")).toBe(GGML_Q8_0);
  });

  it("stores a block of zeros as zeros", () => {
    expect(encodeQ8_0(new Float32Array(32)).every((byte) => byte === 0)).toBe(true);
  });

  it.each([NaN, Infinity, -Infinity, 1e9])("refuses %d, which no block can hold", (value) => {
    expect(() => encodeQ8_0(new Float32Array(32).fill(value))).toThrow(RangeError);
  });

  it("refuses cut blocks", () => {
    expect(() => encodeQ8_0(new Float32Array(33))).toThrow(RangeError);
  });
});

it("the float encoders are undone by the decoders", () => {
  const values = Float32Array.of(1, -0.5, 448, 2 ** -14, 0);
  for (const [dtype, encode] of Object.entries({ F32: encodeF32, F16: encodeF16, BF16: encodeBf16 })) {
    const out = new Float32Array(values.length);
    decodeBlocks(dtype as "F32", encode(values), out);
    expect(out, dtype).toEqual(values);
  }
});

/** gguf-py 0.19: quantize(x, GGMLQuantizationType.Q8_0) of the values of the test above. */
const GGML_Q8_0 =
  "89288113bd3ed750fa9b1bb541e57305b02ec943ea6f0ea533d963f7a31ebb37da61" +
  "3a00029226cb55e8630faa2cc856f58118be45da56fe9c1fb747e87b09b134cb49ed";
