import { FormatError } from "../errors.ts";
import { DTYPES, type DType } from "../tensor/dtype.ts";
import type { ByteSource } from "./byte-source.ts";

/** Types that files may hold beside the weight types; such tensors are readable as bytes. Values are bits an element. */
const OTHER_TYPES = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  U16: 16,
  I16: 16,
  U32: 32,
  I32: 32,
  U64: 64,
  I64: 64,
  F64: 64,
  C64: 64,
  F8_E5M2: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F4: 4,
} as const;

export type StoredType = DType | keyof typeof OTHER_TYPES;

/** True for the types that weights are computed with (those of tensor/dtype.ts). */
export function isWeightType(type: string): type is DType {
  return Object.hasOwn(DTYPES, type);
}

export function isStoredType(type: string): type is StoredType {
  return isWeightType(type) || Object.hasOwn(OTHER_TYPES, type);
}

/** Bits an element takes, scales and the like included. */
export function elementBits(dtype: StoredType): number {
  if (!isWeightType(dtype)) return OTHER_TYPES[dtype];
  const { blockBytes, blockElements } = DTYPES[dtype];
  return (8 * blockBytes) / blockElements;
}

/** One tensor of a file: where its bytes lie. Nothing is read until asked. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: StoredType;
  /** Row-major, outermost dimension first, the last one contiguous. */
  readonly shape: readonly number[];
  readonly file: string;
  /** Of `file` in the file system, where it lies there. */
  readonly path?: string | undefined;
  /** Byte offset in `file`. */
  readonly offset: number;
  readonly byteLength: number;
  /** All bytes of the tensor. May be a view on a larger buffer and must not be written to. */
  read(): Promise<Uint8Array>;
  /** `byteLength` bytes from `byteOffset` of the tensor. @throws RangeError when they are not inside the tensor */
  readRange(byteOffset: number, byteLength: number): Promise<Uint8Array>;
}

/** The tensors of a model: one file, or the parts of a split one. */
export interface TensorFile {
  /** Name of the (first) file, for messages. */
  readonly name: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Closes every file. Entries cannot be read afterwards. */
  close(): Promise<void>;
}

export type TensorPlace = Pick<TensorEntry, "name" | "dtype" | "shape" | "offset" | "byteLength">;

export function tensorEntry(source: ByteSource, place: TensorPlace): TensorEntry {
  const { name, offset, byteLength } = place;
  return {
    ...place,
    file: source.name,
    path: source.path,
    read: () => source.read(offset, byteLength),
    async readRange(start, length) {
      checkTensorRange(name, byteLength, start, length);
      return source.read(offset + start, length);
    },
  };
}

function checkTensorRange(name: string, size: number, start: number, length: number): void {
  if (!(start >= 0 && length >= 0 && start + length <= size)) {
    throw new RangeError(`${name}: bytes ${start} to ${start + length} of a tensor of ${size} bytes`);
  }
}

/**
 * Bytes of a tensor, or what is wrong with its shape. Products are doubles: they lose digits but do not wrap, so that a
 * size beyond 2^53 is seen as such. A shape of no dimensions is one element.
 */
export function tensorBytes(dtype: StoredType, shape: readonly number[]): number | string {
  const elements = shape.reduce((product, length) => product * length, 1);
  if (isWeightType(dtype)) {
    const { blockElements } = DTYPES[dtype];
    const row = shape.at(-1) ?? 1;
    if (row % blockElements !== 0) return `rows of ${row} elements are not whole ${dtype} blocks of ${blockElements}`;
  }
  const bits = elements * elementBits(dtype);
  if (!Number.isSafeInteger(elements) || bits > Number.MAX_SAFE_INTEGER) {
    return `shape [${shape}] has too many elements`;
  }
  return bits % 8 === 0 ? bits / 8 : `shape [${shape}] of ${dtype} does not end on a whole byte`;
}

/**
 * The tensors in file order.
 * @throws FormatError when two of them share a byte
 */
export function sortPlaces(file: string, places: readonly TensorPlace[]): TensorPlace[] {
  const sorted = places.toSorted((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  let previous: TensorPlace | undefined;
  for (const place of sorted) {
    if (place.byteLength === 0) continue;
    if (previous && previous.offset + previous.byteLength > place.offset) {
      throw new FormatError(file, place.offset, `tensors ${previous.name} and ${place.name} overlap`);
    }
    previous = place;
  }
  return sorted;
}
