import { FormatError } from "../../errors.ts";
import type { GgufValue } from "../../formats/gguf-values.ts";
import { ggufChunks } from "../../formats/gguf-writer.ts";
import { contentBytes, type TensorContent } from "../../formats/tensor-content.ts";
import type { StoredType } from "../../formats/tensor-file.ts";
import { DTYPES, rowBytes } from "../../tensor/dtype.ts";
import { type EncodedType, type Encoder, ValueError } from "../../tensor/encoder.ts";
import type { Importance, ImportanceMatrix } from "./imatrix.ts";
import { type FileType, type Network, RECIPES, typeByName, typeForRows, typeWithoutImportance } from "./recipe.ts";
import type { Piece, SourceTensor } from "./source.ts";

/** What goes into a file: its tensors with the types they get. */
export interface QuantizePlan {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly { readonly source: SourceTensor; readonly dtype: StoredType }[];
  readonly bytes: number;
  /** Things a user should know about the result. */
  readonly notes: readonly string[];
}

/** Types whose values are rounded once already. */
const FULL = new Set<StoredType | null>(["F32", "F16", "BF16", "F8_E4M3", null]);

/**
 * Chooses the type of every tensor. Nothing is read.
 * @param imatrix a tensor that it does not know gets no type that is of no use without importance
 * @throws FormatError where it knows none of the tensors
 */
export function planQuantize(
  metadata: ReadonlyMap<string, GgufValue>,
  sources: readonly SourceTensor[],
  type: FileType,
  imatrix?: ImportanceMatrix,
): QuantizePlan {
  const recipe = RECIPES[type];
  const network = networkOf(sources);
  const shorter = new Map<string, number>();
  const unknown = new Map<EncodedType, string[]>();
  const tensors = sources.map((source) => {
    if (source.keeps !== null) return { source, dtype: source.keeps };
    const wanted = typeByName(source.name, recipe, network);
    const fitting = typeForRows(wanted, source.shape.at(-1)!);
    if (fitting !== wanted) shorter.set(`${wanted} -> ${fitting}`, (shorter.get(`${wanted} -> ${fitting}`) ?? 0) + 1);
    if (!imatrix || imatrix.tensors.has(source.name)) return { source, dtype: fitting };
    const dtype = typeWithoutImportance(fitting);
    if (DTYPES[dtype].blockElements > 1) unknown.set(dtype, [...(unknown.get(dtype) ?? []), source.name]);
    return { source, dtype };
  });
  if (imatrix && !sources.some(({ name }) => imatrix.tensors.has(name))) {
    throw new FormatError(imatrix.name, 0, "knows none of the model's tensors: it was made of another model");
  }
  const again = tensors.filter(({ source, dtype }) => !FULL.has(source.stored) && dtype !== source.stored).length;
  const notes = [...shorter].map(
    ([change, count]) => `${count} tensor(s) have rows too short for their type: ${change}`,
  );
  for (const [dtype, names] of unknown) {
    const some = names.slice(0, 5).join(", ") + (names.length > 5 ? ` and ${names.length - 5} more` : "");
    notes.push(`${imatrix!.name} has nothing about ${some}: stored as ${dtype}, all columns alike`);
  }
  if (again > 0)
    notes.push(`${again} tensor(s) are quantised already and lose again; better start from F16, BF16 or F32`);
  const out = new Map(metadata);
  for (const key of ["split.no", "split.count", "split.tensors.count"]) out.delete(key);
  out.set("general.file_type", { type: "u32", value: recipe.fileType });
  out.set("general.quantization_version", { type: "u32", value: 2 });
  const bytes = tensors.reduce((sum, tensor) => sum + contentBytes(unread(tensor)), 0);
  return { metadata: out, tensors, bytes, notes };
}

function networkOf(sources: readonly SourceTensor[]): Network {
  const layers = sources.map(({ name }) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1));
  return {
    layers: layers.reduce((most, layer) => Math.max(most, layer), -1) + 1,
    tied: !sources.some(({ name }) => name === "output.weight"),
  };
}

export interface QuantizeOptions {
  readonly imatrix?: ImportanceMatrix;
  /** After each piece of a tensor. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Elements that are encoded at once, unless a row is longer: often enough for progress, and to be interrupted. */
const STEP_ELEMENTS = 2 ** 22;

/**
 * The bytes of the GGUF file, piece by piece: pass them to saveFile. A piece of one tensor is in memory at a time.
 * @throws FormatError for values that the chosen type cannot hold; the signal's reason
 */
export async function* quantizedChunks(
  plan: QuantizePlan,
  encoder: Encoder,
  { imatrix, onProgress, signal }: QuantizeOptions = {},
): AsyncGenerator<Uint8Array> {
  let done = 0;
  const contents = plan.tensors.map((tensor): TensorContent => {
    const { source, dtype } = tensor;
    return {
      ...unread(tensor),
      async *data() {
        const importance = dtype === source.stored ? null : ((await imatrix?.of(source.name, source.shape)) ?? null);
        let row = 0;
        for await (const piece of source.pieces()) {
          for await (const bytes of encoded(encoder, source, dtype, piece, row, importance)) {
            yield bytes;
            done += bytes.length;
            onProgress?.(done, plan.bytes);
            signal?.throwIfAborted();
          }
          row += piece.bytes.length / rowBytes(piece.dtype, source.shape.at(-1)!);
        }
      },
    };
  });
  yield* ggufChunks(plan.metadata, contents);
}

/** @param firstRow of the piece in its tensor */
async function* encoded(
  encoder: Encoder,
  { name, shape, place }: SourceTensor,
  dtype: StoredType,
  { dtype: from, bytes }: Piece,
  firstRow: number,
  importance: Importance | null,
): AsyncGenerator<Uint8Array> {
  if (from === dtype) {
    yield bytes;
    return;
  }
  const to = dtype as EncodedType; // only what is kept has another type, and that came here as it is
  const columns = shape.at(-1)!;
  const bytesPerRow = rowBytes(from, columns);
  const end = firstRow + bytes.length / bytesPerRow;
  for (let row = firstRow; row < end; ) {
    const { rows, ...given } = step(row, end, shape, importance);
    const at = (row - firstRow) * bytesPerRow;
    const job = { from, bytes: bytes.subarray(at, at + rows * bytesPerRow), columns, to, ...given };
    try {
      yield await encoder.encode(job);
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      const message = `tensor ${name}: row ${row + error.row} has a value that ${to} cannot hold (NaN, infinite or too large)`;
      throw new FormatError(place.file, place.offset, message);
    }
    row += rows;
  }
}

/** How many rows from `row` on are encoded at once, and their importance: whole matrices, or a part of one. */
function step(row: number, end: number, shape: readonly number[], importance: Importance | null) {
  const columns = shape.at(-1)!;
  const most = Math.max(1, Math.floor(STEP_ELEMENTS / columns));
  if (importance === null || importance.matrices === 1) {
    const rows = Math.min(most, end - row);
    return { rows, ...(importance && { importance: { values: importance.values, rows } }) };
  }
  const perMatrix = shape.at(-2)!;
  const inside = row % perMatrix;
  const whole = inside === 0 && most >= perMatrix ? Math.floor(most / perMatrix) * perMatrix : perMatrix - inside;
  const rows = Math.min(whole, most, end - row);
  const first = Math.floor(row / perMatrix);
  const values = importance.values.subarray(first * columns, (first + Math.ceil(rows / perMatrix)) * columns);
  return { rows, importance: { values, rows: perMatrix } };
}

function unread({ source, dtype }: QuantizePlan["tensors"][number]): TensorContent {
  return { name: source.name, dtype, shape: source.shape, data: () => new Uint8Array() };
}
