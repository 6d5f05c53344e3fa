import { FormatError } from "../../errors.ts";
import { rowBytes } from "../dtype.ts";
import type { BlockScales, WeightSource } from "../weight.ts";
import { decodeBlocks } from "./decode.ts";

/**
 * Reads a whole weight as f32, row-major, one segment after the other.
 * @throws FormatError when a segment has not the bytes or the scales of its rows
 * @throws RangeError when the segments are not exactly the rows of the shape
 */
export async function readWeight(source: WeightSource): Promise<Float32Array> {
  const { name, dtype, shape, segments } = source;
  const columns = shape.at(-1) ?? 1;
  const rows = shape.slice(0, -1).reduce((product, length) => product * length, 1);
  const segmentRows = segments.reduce((sum, segment) => sum + segment.rows, 0);
  if (segmentRows !== rows) throw new RangeError(`${name}: the segments have ${segmentRows} rows, the shape ${rows}`);
  const values = new Float32Array(rows * columns);
  let row = 0;
  for (const segment of segments) {
    const bytes = await segment.read();
    const want = rowBytes(dtype, columns) * segment.rows;
    if (bytes.length !== want) {
      const message = `${name}: ${segment.rows} rows of ${columns} in ${dtype} take ${want} bytes, got ${bytes.length}`;
      throw new FormatError(segment.file, segment.offset, message);
    }
    const out = values.subarray(row * columns, (row + segment.rows) * columns);
    decodeBlocks(dtype, bytes, out);
    if (segment.scales) {
      const scales = await segment.scales.read();
      const problem = applyBlockScales(out, columns, segment.scales, scales);
      if (problem) throw new FormatError(segment.file, segment.offset, `${name}: ${problem}`);
    }
    row += segment.rows;
  }
  return values;
}

/** Multiplies each block of `values` [rows, columns] by its scale; the last blocks of a row or column are cut. */
function applyBlockScales(
  values: Float32Array,
  columns: number,
  { blockRows, blockCols, columns: scaleColumns, firstRow }: BlockScales,
  scales: Float32Array,
): string | null {
  const rows = values.length / columns;
  const scaleRows = Math.ceil((firstRow + rows) / blockRows);
  if (scaleColumns !== Math.ceil(columns / blockCols) || scales.length < scaleRows * scaleColumns) {
    const want = `${scaleRows} x ${Math.ceil(columns / blockCols)}`;
    return `rows ${firstRow} to ${firstRow + rows} of ${columns} need ${want} block scales, got ${scales.length / scaleColumns} x ${scaleColumns}`;
  }
  for (let row = 0; row < rows; row++) {
    const scaleRow = Math.floor((firstRow + row) / blockRows) * scaleColumns;
    for (let block = 0; block < scaleColumns; block++) {
      const scale = scales[scaleRow + block]!;
      const end = row * columns + Math.min((block + 1) * blockCols, columns);
      for (let i = row * columns + block * blockCols; i < end; i++) values[i] = values[i]! * scale;
    }
  }
  return null;
}
