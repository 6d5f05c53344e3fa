import { readWeight } from "../../../src/tensor/decode/read-weight.ts";
import type { WeightSegment, WeightSource } from "../../../src/tensor/weight.ts";

/**
 * A weight as f32. FP8 with its block scales is decoded here once more; the other types have test vectors of their own,
 * made by ggml, that hold readWeight to every bit.
 */
export async function exactWeight(source: WeightSource): Promise<Float32Array> {
  if (source.dtype !== "F8_E4M3") return readWeight(source);
  const columns = source.shape[source.shape.length - 1]!;
  const values: number[] = [];
  for (const segment of source.segments) values.push(...(await scaledRows(segment, columns)));
  return Float32Array.from(values);
}

async function scaledRows({ rows, read, scales }: WeightSegment, columns: number): Promise<number[]> {
  const bytes = await read();
  const factors = await scales!.read();
  const out: number[] = [];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const blockRow = Math.floor((scales!.firstRow + r) / scales!.blockRows);
      const blockCol = Math.floor(c / scales!.blockCols);
      out.push(e4m3(bytes[r * columns + c]!) * factors[blockRow * scales!.columns + blockCol]!);
    }
  }
  return out;
}

/** Sign, four bits of exponent biased by 7, three of mantissa; exponent 0 is denormal. */
function e4m3(bits: number): number {
  const sign = bits & 0x80 ? -1 : 1;
  const exponent = (bits >> 3) & 15;
  const mantissa = bits & 7;
  return sign * (exponent === 0 ? (mantissa / 8) * 2 ** -6 : (1 + mantissa / 8) * 2 ** (exponent - 7));
}
