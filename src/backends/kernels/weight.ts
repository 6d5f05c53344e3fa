import { BackendUnavailableError, FormatError } from "../../errors.ts";
import type { Numerics, WeightHandle } from "../../tensor/backend.ts";
import { readWeight } from "../../tensor/decode/read-weight.ts";
import { rowBytes } from "../../tensor/dtype.ts";
import type { WeightUse } from "../../tensor/program.ts";
import type { BlockScales, WeightSegment, WeightSource } from "../../tensor/weight.ts";
import type { NativeFactory, NativeWeight } from "./native.ts";
import { type RunQueue, takeTurn } from "./run-queue.ts";

/** A weight in the memory of kernels/, in its stored type; short vectors are decoded to f32. */
export class KernelWeight implements WeightHandle {
  readonly name: string;
  readonly bytes: number;
  readonly mappedBytes: number;
  readonly tableBytes: number;
  /** Whether products of fast numerics find it in their own layout. */
  readonly packed: boolean;
  /** Whether the stored blocks are there too. */
  readonly keepsRows: boolean;
  readonly #backend: string;
  #native: NativeWeight | null;

  private constructor(
    backend: string,
    name: string,
    native: NativeWeight,
    uses: ReadonlySet<WeightUse>,
    packed: boolean,
  ) {
    const multiplied = uses.has("linear") || uses.has("expert") || uses.has("heads");
    this.#backend = backend;
    this.name = name;
    this.bytes = native.bytes;
    this.mappedBytes = multiplied && (!packed || uses.has("heads")) ? native.mappedBytes : 0;
    this.tableBytes = uses.has("gather") && this.mappedBytes === 0 ? native.mappedBytes : 0;
    this.packed = packed;
    this.keepsRows = native.keepsRows;
    this.#native = native;
  }

  /**
   * @param queue packing takes its turn among the runs
   * @param write what brings the file's contents in; `leave` for a factory of planned weights
   * @throws FormatError, RangeError for segments that are not the weight's rows
   */
  static async load(
    backend: string,
    native: NativeFactory,
    source: WeightSource,
    uses: ReadonlySet<WeightUse>,
    numerics: Numerics,
    queue: RunQueue,
    write: typeof fill = fill,
  ): Promise<KernelWeight> {
    const { cols, rows } = matrixOf(source);
    const mapped = uses.has("vector") ? null : mapRows(native, source, rows, cols);
    const weight = mapped ?? (await native.createWeight(...storage(source, uses)));
    try {
      if (!mapped) await write(weight, source, uses);
      const factor = uses.has("expert") || uses.has("heads") || (uses.has("linear") && source.shape.length === 2);
      const packed = numerics === "fast" && factor && (await pack(weight, source, uses, queue));
      return new KernelWeight(backend, source.name, weight, uses, packed);
    } catch (error) {
      weight.close();
      throw error;
    }
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

/** A matrix of its own for each expert or head, so that a product may take one alone. */
function pack(
  weight: NativeWeight,
  { shape }: WeightSource,
  uses: ReadonlySet<WeightUse>,
  queue: RunQueue,
): Promise<boolean> {
  const groups = shape.length > 2 ? shape[0]! : 1;
  // Attention to prompts multiplies latents by the stored rows of kv_b.
  const keepRows = uses.has("gather") || uses.has("heads");
  return takeTurn(queue, () => weight.pack(groups, keepRows, uses.has("expert") && uses.size === 1));
}

/** All dimensions but the last are rows. @throws RangeError for segments that are not the weight's rows */
function matrixOf({ name, shape, segments }: WeightSource): { rows: number; cols: number } {
  const cols = shape.at(-1) ?? 1;
  const rows = shape.slice(0, -1).reduce((product, length) => product * length, 1);
  const given = segments.reduce((sum, segment) => sum + segment.rows, 0);
  if (given !== rows) throw new RangeError(`${name}: the segments have ${given} rows, the shape ${rows}`);
  return { rows, cols };
}

/** The memory of a weight that is not mapped: of its own type, but f32 for a short vector. */
function storage(source: WeightSource, uses: ReadonlySet<WeightUse>): Parameters<NativeFactory["createWeight"]> {
  const { rows, cols } = matrixOf(source);
  return uses.has("vector") ? ["F32", rows, cols, 0] : [source.dtype, rows, cols, scaleBlock(source)];
}

/** Columns that share a scale, 0 for none. */
function scaleBlock({ segments }: WeightSource): number {
  return segments[0]?.scales?.blockCols ?? 0;
}

/** Reads nothing: for weights that have sizes but no memory. */
export async function leave(): Promise<void> {}

/** Reads what the file has into a weight of its own memory. */
async function fill(weight: NativeWeight, source: WeightSource, uses: ReadonlySet<WeightUse>): Promise<void> {
  if (uses.has("vector")) {
    const values = await readWeight(source);
    return weight.write(0, new Uint8Array(values.buffer));
  }
  const { cols } = matrixOf(source);
  const bytes = rowBytes(source.dtype, cols);
  const block = scaleBlock(source);
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
}

/** A weight whose rows lie in one file in runs of one length, as they are; null where they do not. */
function mapRows(
  native: NativeFactory,
  { dtype, segments }: WeightSource,
  rows: number,
  cols: number,
): NativeWeight | null {
  const [first] = segments;
  const alike = segments.every(
    (segment) => segment.path === first!.path && segment.rows === first!.rows && !segment.scales,
  );
  if (!first?.path || !alike) return null;
  const starts = segments.map(({ offset }) => offset);
  // Floats are read where they lie, which wants whole words.
  if (dtype === "F32" && starts.some((start) => start % 4 !== 0)) return null;
  return native.mapWeight(dtype, rows, cols, first.path, starts);
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
