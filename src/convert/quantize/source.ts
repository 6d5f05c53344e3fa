import type { TensorEntry } from "../../formats/tensor-file.ts";
import { isWeightType, type StoredType } from "../../formats/tensor-file.ts";
import { encodeF32 } from "../../tensor/decode/encode.ts";
import { readWeight } from "../../tensor/decode/read-weight.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { GgufSource } from "../hf-to-gguf.ts";

/** A tensor to be quantised, under its GGUF name. */
export interface SourceTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Type of the stored values; null where they are decoded or reordered on the way. */
  readonly stored: StoredType | null;
  /** Written in this type whatever the recipe says; null lets the recipe decide. */
  readonly keeps: StoredType | null;
  /** Where it lies, for messages. */
  readonly place: { readonly file: string; readonly offset: number };
  /** All rows in order; a piece ends where a matrix ends, where the tensor has several. */
  pieces(): AsyncIterable<Piece>;
}

export interface Piece {
  readonly dtype: DType;
  readonly bytes: Uint8Array;
}

/** What is read of a tensor at once, unless one row or one matrix of several is longer. */
const PIECE_BYTES = 2 ** 26;

/** @param keeps whether the tensor stays as it is stored */
export function fromGguf(entry: TensorEntry, keeps: boolean): SourceTensor {
  const { name, shape, dtype, file, offset, byteLength } = entry;
  const rows = shape.slice(0, -1).reduce((product, length) => product * length, 1);
  const unit = byteLength / (shape.length > 2 ? rows / shape.at(-2)! : rows);
  const step = Math.max(1, Math.floor(PIECE_BYTES / unit)) * unit;
  return {
    name,
    shape,
    stored: dtype,
    keeps: keeps || !isWeightType(dtype) ? dtype : null,
    place: { file, offset },
    async *pieces() {
      for (let at = 0; at < byteLength; at += step) {
        yield { dtype: dtype as DType, bytes: await entry.readRange(at, Math.min(step, byteLength - at)) };
      }
    },
  };
}

export function fromHf(tensor: GgufSource): SourceTensor {
  const { name, shape, source, exact } = tensor;
  const scaled = source?.segments.some(({ scales }) => scales) ?? true;
  const { file, offset } = source?.segments[0] ?? { file: name, offset: 0 };
  return {
    name,
    shape,
    stored: scaled ? null : source!.dtype,
    keeps: exact ? "F32" : null,
    place: { file, offset },
    async *pieces() {
      if (source === null) {
        yield { dtype: "F32", bytes: encodeF32(await tensor.read()) };
        return;
      }
      for (const segment of source.segments) {
        if (!segment.scales) yield { dtype: source.dtype, bytes: await segment.read() };
        else {
          const part = { ...source, shape: [segment.rows, shape.at(-1)!], segments: [segment] };
          yield { dtype: "F32", bytes: encodeF32(await readWeight(part)) };
        }
      }
    },
  };
}
