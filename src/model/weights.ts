import { FormatError } from "../errors.ts";
import type { TensorEntry } from "../formats/tensor-file.ts";
import { isWeightType } from "../formats/tensor-file.ts";
import type { DType } from "../tensor/dtype.ts";
import type { KvB } from "../tensor/recorder.ts";
import type { BlockScales, WeightSegment, WeightSource } from "../tensor/weight.ts";

/**
 * The weights of a network under this project's names, whatever the file calls them (weights-hf.ts, weights-gguf.ts).
 * Nothing is read from the files here: a WeightSource says where the bytes lie.
 */
export interface ModelWeights {
  readonly embed: WeightSource;
  readonly head: WeightSource;
  readonly finalNorm: WeightSource;
  /** @throws FormatError naming the tensor, when it is missing or not of the shape that config.json implies */
  layer(index: number, name: LayerWeightName): WeightSource;
  kvB(layer: number): KvB;
  /** Present in the file? For parts that checkpoints may leave out. */
  has(layer: number, name: LayerWeightName): boolean;
}

export type LayerWeightName =
  | "attnNorm"
  | "q"
  | "k"
  | "v"
  | "o"
  | "qBias"
  | "kBias"
  | "vBias"
  | "qA"
  | "qANorm"
  | "qB"
  | "kvA"
  | "kvANorm"
  | "indexerQB"
  | "indexerK"
  | "indexerKNorm"
  | "indexerKNormBias"
  | "indexerHeadWeights"
  | "ffnNorm"
  | "gate"
  | "up"
  | "down"
  | "router"
  | "routerBias"
  | "expertsGate"
  | "expertsUp"
  | "expertsDown"
  | "sharedGate"
  | "sharedUp"
  | "sharedDown"
  | "enorm"
  | "hnorm"
  | "ehProj"
  | "mtpEmbed"
  | "mtpHead"
  | "mtpHeadNorm";

/** A run of rows of one tensor. */
export interface Cut {
  readonly entry: TensorEntry;
  readonly firstRow: number;
  readonly rows: number;
  /** FP8 scales of the whole tensor. */
  readonly scales: ScaleMatrix | null;
}

export interface ScaleMatrix {
  readonly entry: TensorEntry;
  readonly blockRows: number;
  readonly blockCols: number;
}

/** A whole tensor as a weight of the same shape. */
export function wholeWeight(name: string, entry: TensorEntry, scales: ScaleMatrix | null = null): WeightSource {
  return cutWeight(name, entry.shape, [{ entry, firstRow: 0, rows: rowCount(entry.shape), scales }]);
}

/**
 * A weight put together from runs of rows.
 * @throws FormatError when a run lies outside its tensor, or types or row lengths differ
 */
export function cutWeight(name: string, shape: readonly number[], cuts: readonly Cut[]): WeightSource {
  const first = cuts[0]!.entry;
  const dtype = weightType(first);
  const columns = shape.at(-1)!;
  const segments = cuts.map((cut): WeightSegment => {
    const { entry, firstRow, rows } = cut;
    if (entry.dtype !== dtype) {
      throw wrong(
        entry,
        `is of type ${entry.dtype}, but ${first.name} is of type ${dtype}; both are part of one weight`,
      );
    }
    const entryRows = rowCount(entry.shape);
    if (entry.shape.at(-1) !== columns || firstRow + rows > entryRows) {
      throw wrong(entry, `has the shape [${entry.shape}]; want rows ${firstRow} to ${firstRow + rows} of ${columns}`);
    }
    const bytesPerRow = entry.byteLength / entryRows;
    const byteLength = rows * bytesPerRow;
    return {
      rows,
      file: entry.file,
      path: entry.path,
      offset: entry.offset + firstRow * bytesPerRow,
      byteLength,
      read: () => entry.readRange(firstRow * bytesPerRow, byteLength),
      ...(cut.scales && { scales: blockScales(entry, firstRow, cut.scales) }),
    };
  });
  return { name, dtype, shape, segments };
}

/** Rows of a tensor, seen as a matrix of its last dimension. */
export function rowCount(shape: readonly number[]): number {
  return shape.slice(0, -1).reduce((a, b) => a * b, 1);
}

function blockScales(entry: TensorEntry, firstRow: number, scales: ScaleMatrix): BlockScales {
  const { blockRows, blockCols } = scales;
  const columns = Math.ceil(entry.shape.at(-1)! / blockCols);
  const want = [Math.ceil(rowCount(entry.shape) / blockRows), columns];
  if (scales.entry.dtype !== "F32" || scales.entry.shape.join() !== want.join()) {
    throw wrong(scales.entry, `is ${scales.entry.dtype} [${scales.entry.shape}]; want F32 [${want}]`);
  }
  return {
    blockRows,
    blockCols,
    columns,
    firstRow,
    async read() {
      const bytes = await scales.entry.read();
      return new Float32Array(bytes.slice().buffer);
    },
  };
}

function weightType(entry: TensorEntry): DType {
  if (!isWeightType(entry.dtype)) throw wrong(entry, `is of type ${entry.dtype}, which no weight of this engine has`);
  return entry.dtype;
}

export function wrong(entry: TensorEntry, message: string): FormatError {
  return new FormatError(entry.file, entry.offset, `tensor ${entry.name} ${message}`);
}
