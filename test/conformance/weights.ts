import type { DType } from "../../src/tensor/dtype.ts";
import { DTYPES, rowBytes } from "../../src/tensor/dtype.ts";
import type { BlockScales, WeightSegment, WeightSource } from "../../src/tensor/weight.ts";
import type { Random } from "./random.ts";

export const ALL_DTYPES = Object.keys(DTYPES) as DType[];

/** Where the f16 scales of a block lie. All other bytes of a block are codes, and any bits are valid there. */
const F16_SCALES: Partial<Record<DType, readonly number[]>> = {
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q8_0: [0],
  Q2_K: [80, 82],
  Q3_K: [108],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ2_XXS: [0],
  IQ2_XS: [0],
  IQ2_S: [0],
  IQ3_XXS: [0],
  IQ3_S: [0],
  IQ1_S: [0],
  IQ4_NL: [0],
  IQ4_XS: [0],
  TQ1_0: [52],
  TQ2_0: [64],
  Q1_0: [0],
  Q2_0: [0],
};

/** What is peculiar about a weight of a case; by default it is one segment. */
export interface WeightOptions {
  /** Rows of each segment. */
  readonly segments?: readonly number[];
  /** FP8 only: rows and columns of a scale block, and the row of the stored matrix at which each segment starts. */
  readonly scaleBlock?: readonly [number, number];
  readonly firstRows?: readonly number[];
}

/** A weight of random codes with scales of a size that keeps results near 1. */
export function randomWeight(
  random: Random,
  name: string,
  dtype: DType,
  shape: readonly number[],
  options: WeightOptions = {},
): WeightSource {
  const columns = shape[shape.length - 1]!;
  const rows = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const counts = options.segments ?? [rows];
  if (counts.reduce((a, b) => a + b, 0) !== rows) throw new Error(`${name}: segments do not add up to ${rows} rows`);
  const segments = counts.map((count, i): WeightSegment => {
    const bytes = randomRows(random, dtype, count * rowBytes(dtype, columns));
    const scales =
      dtype === "F8_E4M3"
        ? randomScales(random, count, columns, options.firstRows?.[i] ?? 0, options.scaleBlock ?? [128, 128])
        : undefined;
    return segment(`${name}.${i}`, count, bytes, scales);
  });
  return { name, dtype, shape, segments };
}

/** An F32 weight with these values. */
export function f32Weight(name: string, shape: readonly number[], values: Float32Array): WeightSource {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const rows = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  return { name, dtype: "F32", shape, segments: [segment(name, rows, bytes)] };
}

function segment(file: string, rows: number, bytes: Uint8Array, scales?: BlockScales): WeightSegment {
  // A view at an odd offset: what a file mapped into memory hands out.
  const view = new Uint8Array(bytes.length + 1).subarray(1);
  view.set(bytes);
  return { rows, file, offset: 0, byteLength: bytes.length, read: async () => view, scales };
}

function randomScales(
  random: Random,
  rows: number,
  columns: number,
  firstRow: number,
  [blockRows, blockCols]: readonly [number, number],
): BlockScales {
  const width = Math.ceil(columns / blockCols);
  const height = Math.ceil((firstRow + rows) / blockRows);
  const values = Float32Array.from({ length: width * height }, () => 0.002 + 0.004 * random.uniform());
  return { blockRows, blockCols, columns: width, firstRow, read: async () => values };
}

function randomRows(random: Random, dtype: DType, length: number): Uint8Array {
  const bytes = Uint8Array.from({ length }, () => random.bits());
  const view = new DataView(bytes.buffer);
  switch (dtype) {
    case "F32":
      for (let at = 0; at < length; at += 4) view.setFloat32(at, 0.2 * random.normal(), true);
      return bytes;
    case "F16":
      for (let at = 0; at < length; at += 2) view.setUint16(at, randomF16(random, 8, 14), true);
      return bytes;
    case "BF16":
      for (let at = 0; at < length; at += 2) {
        view.setUint16(at, (random.below(2) << 15) | ((120 + random.below(6)) << 7) | random.below(128), true);
      }
      return bytes;
    case "F8_E4M3":
      // 0x7f and 0xff are its two NaNs.
      for (let at = 0; at < length; at++) if ((bytes[at]! & 0x7f) === 0x7f) bytes[at]! &= 0xf0;
      return bytes;
    default:
      setBlockScales(random, dtype, view);
      return bytes;
  }
}

function setBlockScales(random: Random, dtype: DType, view: DataView): void {
  for (let block = 0; block < view.byteLength; block += DTYPES[dtype].blockBytes) {
    if (dtype === "MXFP4") {
      view.setUint8(block, 123 + random.below(3)); // a power of two, biased by 127
    } else if (dtype === "NVFP4") {
      for (let i = 0; i < 4; i++) view.setUint8(block + i, 0x18 + random.below(16)); // unsigned e4m3
    } else if (dtype === "IQ1_M") {
      // The four nibbles of one f16 are the high nibbles of four u16 of local scales.
      const scale = randomF16(random, 8, 9);
      for (let i = 0; i < 4; i++) {
        const at = block + 48 + 2 * i;
        view.setUint16(at, (view.getUint16(at, true) & 0x0fff) | (((scale >> (4 * i)) & 15) << 12), true);
      }
    } else {
      for (const at of F16_SCALES[dtype]!) view.setUint16(block + at, randomF16(random, 8, 9), true);
    }
  }
}

/** Bits of a random f16 of either sign with a biased exponent in [from, to): 8 is 2^-7. */
function randomF16(random: Random, from: number, to: number): number {
  return (random.below(2) << 15) | ((from + random.below(to - from)) << 10) | random.below(1024);
}
