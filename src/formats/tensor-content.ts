import { type StoredType, tensorBytes } from "./tensor-file.ts";

/** A tensor to be written. Its bytes are asked for when their turn comes, and one tensor at a time. */
export interface TensorContent {
  readonly name: string;
  readonly dtype: StoredType;
  /** Row-major, outermost dimension first. */
  readonly shape: readonly number[];
  /** All bytes at once, or in pieces. */
  readonly data: () => Uint8Array | Promise<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** @throws RangeError when the shape is not whole blocks of the dtype, or too large */
export function contentBytes({ name, dtype, shape }: TensorContent): number {
  const bytes = tensorBytes(dtype, shape);
  if (typeof bytes === "string") throw new RangeError(`${name}: ${bytes}`);
  return bytes;
}

/** @throws RangeError when two tensors have one name */
export function checkNames(tensors: readonly TensorContent[]): void {
  const names = new Set<string>();
  for (const { name } of tensors) {
    if (names.has(name)) throw new RangeError(`tensor ${name} is there twice`);
    names.add(name);
  }
}

/** The bytes of a tensor. @throws RangeError when they are not exactly those of its shape */
export async function* contentChunks(tensor: TensorContent): AsyncGenerator<Uint8Array> {
  const want = contentBytes(tensor);
  const data = await tensor.data();
  const pieces = data instanceof Uint8Array ? [data] : data;
  let length = 0;
  for await (const piece of pieces) {
    length += piece.length;
    if (length > want) break;
    yield piece;
  }
  if (length !== want) {
    const shape = `shape [${tensor.shape}] in ${tensor.dtype}`;
    throw new RangeError(`${tensor.name}: ${shape} takes ${want} bytes, got ${length > want ? "more" : length}`);
  }
}
