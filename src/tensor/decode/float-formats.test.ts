import { describe, expect, it } from "vitest";
import { f8e4m3ToNumber, f16ToNumber, f32BitsToBf16, f32BitsToF16 } from "./float-formats.ts";

const bitsOf = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0]!;
const toF16 = (value: number) => f32BitsToF16(bitsOf(value));
const toBf16 = (value: number) => f32BitsToBf16(bitsOf(value));
const fromBf16 = (bits: number) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;

describe("f16", () => {
  it.each([
    [0x0000, 0],
    [0x0001, 2 ** -24],
    [0x03ff, 2 ** -14 - 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0x7bff, 65504],
    [0x7c00, Infinity],
    [0xc000, -2],
  ])("%i is %d", (bits, value) => {
    expect(f16ToNumber(bits)).toBe(value);
    expect(toF16(value)).toBe(bits);
  });

  it("keeps the sign of zero, and NaN", () => {
    expect(f16ToNumber(0x8000)).toBe(-0);
    expect(toF16(-0)).toBe(0x8000);
    expect(f16ToNumber(0x7c01)).toBeNaN();
    expect(f16ToNumber(toF16(NaN))).toBeNaN();
  });

  it("survives the way to f32 and back, every finite value", () => {
    for (let bits = 0; bits < 0x7c00; bits++) {
      if (toF16(f16ToNumber(bits)) !== bits) expect.fail(`${bits} became ${toF16(f16ToNumber(bits))}`);
    }
  });

  it("rounds to the nearest, and half way to even, between all neighbours", () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const low = f16ToNumber(bits);
      const middle = (low + f16ToNumber(bits + 1)) / 2;
      const near = middle * 2 ** -20;
      const got = [toF16(middle - near), toF16(middle), toF16(middle + near)];
      const want = [bits, bits + (bits & 1), bits + 1];
      if (String(got) !== String(want)) expect.fail(`around ${middle}: got ${got}, want ${want}`);
    }
  });

  it("becomes infinity from 65520 on", () => {
    expect(toF16(65519.996)).toBe(0x7bff);
    expect(toF16(65520)).toBe(0x7c00);
    expect(toF16(-1e38)).toBe(0xfc00);
  });
});

describe("bf16", () => {
  it("rounds to the nearest, half way to even", () => {
    expect(toBf16(1)).toBe(0x3f80);
    expect(toBf16(1 + 2 ** -8)).toBe(0x3f80);
    expect(toBf16(1 + 2 ** -8 + 2 ** -20)).toBe(0x3f81);
    expect(toBf16(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(toBf16(-3.4028234663852886e38)).toBe(0xff80);
    expect(toBf16(-0)).toBe(0x8000);
  });

  it("never turns NaN into infinity", () => {
    expect(fromBf16(f32BitsToBf16(0x7f800001))).toBeNaN();
    expect(fromBf16(f32BitsToBf16(0xffffffff))).toBeNaN();
  });
});

describe("fp8 e4m3", () => {
  it.each([
    [0x00, 0],
    [0x01, 2 ** -9],
    [0x07, 7 * 2 ** -9],
    [0x08, 2 ** -6],
    [0x38, 1],
    [0x7e, 448],
    [0xfe, -448],
    [0x80, -0],
    [0x7f, NaN],
    [0xff, NaN],
  ])("%i is %d", (bits, value) => {
    expect(f8e4m3ToNumber(bits)).toBe(value);
  });
});
