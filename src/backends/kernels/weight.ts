import { BackendUnavailableError, FormatError } from "../../errors.ts";
import type { WeightHandle } from "../../tensor/backend.ts";
import { readWeight } from "../../tensor/decode/read-weight.ts";
import { rowBytes } from "../../tensor/dtype.ts";
import type { WeightUse } from "../../tensor/program.ts";
import type { BlockScales, WeightSegment, WeightSource } from "../../tensor/weight.ts";
import type { Native, NativeWeight } from "./native.ts";

/** A weight in the memory of kernels/, in its stored type; short vectors are decoded to f32. */
export class KernelWeight implements WeightHandle {
  readonly name: string;
  readonly bytes: number;
  readonly #backend: string;
  #native: NativeWeight | null;

  private constructor(backend: string, name: string, native: NativeWeight) {
    this.#backend = backend;
    this.name = name;
    this.bytes = native.bytes;
    this.#native = native;
  }

  /** @throws FormatError, RangeError for segments that are not the weight's rows */
  static async load(
    backend: string,
    native: Native,
    source: WeightSource,
    uses: ReadonlySet<WeightUse>,
  ): Promise<KernelWeight> {
    const cols = source.shape.at(-1) ?? 1;
    const rows = source.shape.slice(0, -1).reduce((product, length) => product * length, 1);
    if (uses.has("vector")) {
      const values = await readWeight(source);
      const weight = await native.createWeight("F32", rows, cols, 0);
      await weight.write(0, new Uint8Array(values.buffer));
      return new KernelWeight(backend, source.name, weight);
    }
    const bytes = rowBytes(source.dtype, cols);
    const given = source.segments.reduce((sum, segment) => sum + segment.rows, 0);
    if (given !== rows) throw new RangeError(`${source.name}: the segments have ${given} rows, the shape ${rows}`);
    const block = source.segments[0]?.scales?.blockCols ?? 0;
    const weight = await native.createWeight(source.dtype, rows, cols, block);
    try {
      let row = 0;
      for (const segment of source.segments) {
        await weight.write(row * bytes, await readRows(source.name, segment, segment.rows * bytes));
        if ((segment.scales?.blockCols ?? 0) !== block) {
          throw new FormatError(
            segment.file,
            segment.offset,
            `${source.name}: its parts have block scales of different widths`,
          );
        }
        if (segment.scales) {
          await weight.writeScales(
            row * Math.ceil(cols / block),
            await rowScales(source.name, segment, segment.scales, cols),
          );
        }
        row += segment.rows;
      }
    } catch (error) {
      weight.close();
      throw error;
    }
    return new KernelWeight(backend, source.name, weight);
  }

  get native(): NativeWeight {
    if (!this.#native) throw new BackendUnavailableError(this.#backend, `weight ${this.name} is closed`);
    return this.#native;
  }

  close(): void {
    this.#native?.close();
    this.#native = null;
  }
}

async function readRows(name: string, segment: WeightSegment, want: number): Promise<Uint8Array> {
  const bytes = await segment.read();
  if (bytes.length !== want) {
    throw new FormatError(
      segment.file,
      segment.offset,
      `${name}: ${segment.rows} rows take ${want} bytes, got ${bytes.length}`,
    );
  }
  return bytes;
}

/** The scales of each row of a segment, [rows, ceil(cols / blockCols)]: rows of one block have the same ones. */
async function rowScales(
  name: string,
  segment: WeightSegment,
  blocks: BlockScales,
  cols: number,
): Promise<Float32Array> {
  const scales = await blocks.read();
  const { blockRows, blockCols, columns, firstRow } = blocks;
  const need = Math.ceil((firstRow + segment.rows) / blockRows) * columns;
  if (columns !== Math.ceil(cols / blockCols) || scales.length < need) {
    const message = `${name}: rows ${firstRow} to ${firstRow + segment.rows} of ${cols} need ${need} block scales, got ${scales.length}`;
    throw new FormatError(segment.file, segment.offset, message);
  }
  const out = new Float32Array(segment.rows * columns);
  for (let row = 0; row < segment.rows; row++) {
    const from = Math.floor((firstRow + row) / blockRows) * columns;
    out.set(scales.subarray(from, from + columns), row * columns);
  }
  return out;
}
