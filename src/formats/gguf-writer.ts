import { DTYPES } from "../tensor/dtype.ts";
import {
  alignUp,
  GGUF_DEFAULT_ALIGNMENT,
  GGUF_MAGIC,
  GGUF_MAX_DIMENSIONS,
  GGUF_OTHER_TYPES,
  GGUF_VALUE_TYPES,
  type GgufValue,
  type GgufValueType,
} from "./gguf-values.ts";
import { HeaderBuilder } from "./header-builder.ts";
import { checkNames, contentBytes, contentChunks, type TensorContent } from "./tensor-content.ts";
import { isWeightType, type StoredType } from "./tensor-file.ts";

/**
 * The bytes of a GGUF v3 file, piece by piece: pass them to saveFile. Tensors are written in the order given, aligned
 * to `general.alignment` or 32; each tensor's data is asked for when its turn comes.
 * Source: ggml docs/gguf.md.
 * @throws RangeError for what GGUF cannot hold: a number outside its type, a dtype without a ggml number, more than
 *   four dimensions, a name that is there twice, or data that is not exactly the bytes of its shape
 */
export async function* ggufChunks(
  metadata: ReadonlyMap<string, GgufValue>,
  tensors: readonly TensorContent[],
): AsyncGenerator<Uint8Array> {
  checkNames(tensors);
  const alignment = alignmentOf(metadata.get("general.alignment"));
  const header = new HeaderBuilder();
  header.u32(GGUF_MAGIC);
  header.u32(3);
  header.u64(tensors.length);
  header.u64(metadata.size);
  for (const [key, value] of metadata) {
    string(header, key);
    header.u32(GGUF_VALUE_TYPES[value.type]);
    writeValue(header, key, value);
  }
  let offset = 0;
  for (const tensor of tensors) {
    if (tensor.shape.length > GGUF_MAX_DIMENSIONS) {
      throw new RangeError(
        `${tensor.name}: GGUF holds up to ${GGUF_MAX_DIMENSIONS} dimensions, not ${tensor.shape.length}`,
      );
    }
    string(header, tensor.name);
    header.u32(tensor.shape.length);
    for (const length of tensor.shape.toReversed()) header.u64(length);
    header.u32(typeNumber(tensor));
    header.u64(offset);
    offset = alignUp(offset + contentBytes(tensor), alignment);
  }
  header.zeros(alignUp(header.length, alignment) - header.length);
  yield header.finish();
  for (const tensor of tensors) {
    yield* contentChunks(tensor);
    const length = contentBytes(tensor);
    const padding = alignUp(length, alignment) - length;
    if (padding > 0) yield new Uint8Array(padding);
  }
}

function alignmentOf(value: GgufValue | undefined): number {
  if (value === undefined) return GGUF_DEFAULT_ALIGNMENT;
  if (value.type === "u32" && Number.isInteger(Math.log2(value.value))) return value.value;
  throw new RangeError("general.alignment must be a power of two of type u32");
}

function typeNumber({ name, dtype }: { name: string; dtype: StoredType }): number {
  const number = isWeightType(dtype) ? DTYPES[dtype].ggml : GGUF_OTHER_TYPES.get(dtype);
  if (number === null || number === undefined) throw new RangeError(`${name}: GGUF has no type ${dtype}`);
  return number;
}

function string(header: HeaderBuilder, text: string): void {
  const bytes = new TextEncoder().encode(text);
  header.u64(bytes.length);
  header.bytes(bytes);
}

function writeValue(header: HeaderBuilder, key: string, value: GgufValue): void {
  if (value.type === "array") {
    header.u32(GGUF_VALUE_TYPES[value.of]);
    header.u64(value.value.length);
    for (const item of Array.from<unknown>(value.value)) writeItem(header, key, value.of, item);
  } else {
    writeItem(header, key, value.type, value.value);
  }
}

function writeItem(header: HeaderBuilder, key: string, type: GgufValueType, item: unknown): void {
  if (type === "array") writeValue(header, key, item as GgufValue);
  else if (type === "string") string(header, item as string);
  else if (type === "bool") header.u8(item ? 1 : 0);
  else if (type === "f32") header.f32(item as number);
  else if (type === "f64") header.f64(item as number);
  else writeInteger(header, key, type, item as number | bigint);
}

/** Smallest and largest value of each integer type. */
const RANGES = {
  u8: [0n, 2n ** 8n - 1n],
  i8: [-(2n ** 7n), 2n ** 7n - 1n],
  u16: [0n, 2n ** 16n - 1n],
  i16: [-(2n ** 15n), 2n ** 15n - 1n],
  u32: [0n, 2n ** 32n - 1n],
  i32: [-(2n ** 31n), 2n ** 31n - 1n],
  u64: [0n, 2n ** 64n - 1n],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
} as const;

function writeInteger(header: HeaderBuilder, key: string, type: keyof typeof RANGES, value: number | bigint): void {
  const [least, most] = RANGES[type];
  const whole = typeof value === "bigint" || Number.isInteger(value);
  if (!whole || value < least || value > most) throw new RangeError(`${key}: ${value} is not a ${type}`);
  // A DataView keeps the low bits, which are the two's complement of a negative number.
  if (type === "u8" || type === "i8") header.u8(Number(value));
  else if (type === "u16" || type === "i16") header.u16(Number(value));
  else if (type === "u32" || type === "i32") header.u32(Number(value));
  else header.u64(value);
}
