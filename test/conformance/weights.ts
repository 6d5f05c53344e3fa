import type { DType } from "../../src/tensor/dtype.ts";
import { DTYPES, rowBytes } from "../../src/tensor/dtype.ts";
import type { BlockScales, WeightSegment, WeightSource } from "../../src/tensor/weight.ts";
import type { Random } from "./random.ts";

export const ALL_DTYPES = Object.keys(DTYPES) as DType[];

/** The f16 scales of a block type. All other bytes of a block are codes, and any bits are valid there. */
interface BlockScaleLayout {
  /** Byte offsets in the block. */
  readonly at: readonly number[];
  /** Biased exponent that makes weights of about 0.1. */
  readonly exponent: number;
}

const F16_SCALES: Partial<Record<DType, BlockScaleLayout>> = {
  Q4_0: { at: [0], exponent: 9 },
  Q4_1: { at: [0, 2], exponent: 8 },
  Q5_0: { at: [0], exponent: 8 },
  Q5_1: { at: [0, 2], exponent: 7 },
  Q8_0: { at: [0], exponent: 5 },
  Q2_K: { at: [80, 82], exponent: 7 },
  Q3_K: { at: [108], exponent: 6 },
  Q4_K: { at: [0, 2], exponent: 3 },
  Q5_K: { at: [0, 2], exponent: 2 },
  Q6_K: { at: [208], exponent: 1 },
  IQ2_XXS: { at: [0], exponent: 5 },
  IQ2_XS: { at: [0], exponent: 5 },
  IQ2_S: { at: [0], exponent: 5 },
  IQ3_XXS: { at: [0], exponent: 4 },
  IQ3_S: { at: [0], exponent: 4 },
  IQ1_S: { at: [0], exponent: 8 },
  IQ4_NL: { at: [0], exponent: 5 },
  IQ4_XS: { at: [0], exponent: 1 },
  TQ1_0: { at: [52], exponent: 11 },
  TQ2_0: { at: [64], exponent: 11 },
  Q1_0: { at: [0], exponent: 11 },
  Q2_0: { at: [0], exponent: 11 },
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
  const values = Float32Array.from({ length: width * height }, () => 0.0005 + 0.001 * random.uniform());
  return { blockRows, blockCols, columns: width, firstRow, read: async () => values };
}

function randomRows(random: Random, dtype: DType, length: number): Uint8Array {
  const bytes = Uint8Array.from({ length }, () => random.bits());
  const view = new DataView(bytes.buffer);
  switch (dtype) {
    case "F32":
      for (let at = 0; at < length; at += 4) view.setFloat32(at, 0.1 * random.normal(), true);
      return bytes;
    case "F16":
      for (let at = 0; at < length; at += 2) view.setUint16(at, randomF16(random, 7, 13), true);
      return bytes;
    case "BF16":
      for (let at = 0; at < length; at += 2) {
        view.setUint16(at, (random.below(2) << 15) | ((119 + random.below(6)) << 7) | random.below(128), true);
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
      view.setUint8(block, 121 + random.below(3)); // a power of two, biased by 127
    } else if (dtype === "NVFP4") {
      for (let i = 0; i < 4; i++) view.setUint8(block + i, 0x08 + random.below(16)); // unsigned e4m3
    } else if (dtype === "IQ1_M") {
      // The four nibbles of one f16 are the high nibbles of four u16 of local scales.
      const scale = randomF16(random, 8, 9);
      for (let i = 0; i < 4; i++) {
        const at = block + 48 + 2 * i;
        view.setUint16(at, (view.getUint16(at, true) & 0x0fff) | (((scale >> (4 * i)) & 15) << 12), true);
      }
    } else {
      const { at, exponent } = F16_SCALES[dtype]!;
      for (const offset of at) view.setUint16(block + offset, randomF16(random, exponent, exponent + 1), true);
    }
  }
}

/** Bits of a random f16 of either sign with a biased exponent in [from, to): 8 is 2^-7. */
function randomF16(random: Random, from: number, to: number): number {
  return (random.below(2) << 15) | ((from + random.below(to - from)) << 10) | random.below(1024);
}
