import { DTYPES, type DType } from "../tensor/dtype.ts";
import {
  alignUp,
  GGUF_DEFAULT_ALIGNMENT,
  GGUF_MAGIC,
  GGUF_MAX_DIMENSIONS,
  GGUF_OTHER_TYPES,
  GGUF_VALUE_TYPES,
  type GgufArray,
  type GgufValue,
  type GgufValueType,
} from "./gguf-values.ts";
import { HeaderCursor } from "./header-cursor.ts";
import { type StoredType, type TensorPlace, tensorBytes } from "./tensor-file.ts";

/** What one GGUF file says before its weights begin. */
export interface GgufHeader {
  readonly version: 2 | 3;
  readonly alignment: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** In the order of the table; offsets count from the start of the file. */
  readonly tensors: readonly TensorPlace[];
}

// Limits on what a file may ask for. Sizes are those of docs/gguf.md where it names one; the others leave a factor of
// five or more over the largest released models (vocabulary of 260k, merges of 510k, a tokenizer.json as one string).
const MAX_KEY_BYTES = 65535; // docs/gguf.md
const MAX_NAME_BYTES = 128; // docs/gguf.md says 64; programs built with a larger GGML_MAX_NAME write up to 128
const MAX_STRING_BYTES = 2 ** 26;
const MAX_ARRAY_DEPTH = 4;
/** Strings and lists of all metadata together: each costs an object, however few bytes it takes in the file. */
const MAX_OBJECTS = 2 ** 22;

const MIN_ENTRY_BYTES = 8 + 4 + 1; // key length, type, a value of one byte
const MIN_TENSOR_BYTES = 8 + 4 + 4 + 8; // name length, dimensions, type, offset

const VALUE_TYPES = new Map<number, GgufValueType>(
  Object.entries(GGUF_VALUE_TYPES).map(([name, type]) => [type, name as GgufValueType]),
);

const STORED_TYPES: ReadonlyMap<number | null, StoredType> = new Map([
  ...Object.entries(DTYPES).map(([name, { ggml }]) => [ggml, name as DType] as const),
  ...[...GGUF_OTHER_TYPES].map(([name, number]) => [number, name] as const),
]);

/**
 * Reads the header of a GGUF file of version 2 or 3 (little-endian).
 * Source: ggml docs/gguf.md.
 * @param bytes the first bytes of the file; where they end before the header does, MoreBytesNeeded is thrown
 * @throws FormatError
 */
export function parseGgufHeader(file: string, bytes: Uint8Array, fileSize: number): GgufHeader {
  const cursor = new HeaderCursor(file, bytes, fileSize);
  const version = readVersion(cursor);
  const tensorCount = readCount(cursor, "tensor count", MIN_TENSOR_BYTES);
  const metadataCount = readCount(cursor, "metadata count", MIN_ENTRY_BYTES);
  const reader = new MetadataReader(cursor);
  const metadata = reader.read(metadataCount);
  const alignment = reader.alignment;
  const table = readTensorTable(cursor, tensorCount);
  const dataStart = alignUp(cursor.position, alignment);
  const tensors = table.map(({ offsetAt, offset, ...tensor }) => {
    if (offset % alignment !== 0) {
      cursor.fail(`tensor ${tensor.name}: offset ${offset} is not a multiple of the alignment ${alignment}`, offsetAt);
    }
    if (dataStart + offset + tensor.byteLength > fileSize) {
      cursor.fail(
        `tensor ${tensor.name}: ${tensor.byteLength} bytes from byte ${dataStart + offset} do not fit into the file of ` +
          `${fileSize} bytes (is it cut short?)`,
        offsetAt,
      );
    }
    return { ...tensor, offset: dataStart + offset };
  });
  return { version, alignment, metadata, tensors };
}

function readVersion(cursor: HeaderCursor): 2 | 3 {
  if (cursor.u32("the magic number") !== GGUF_MAGIC) cursor.fail("not a GGUF file: it does not start with GGUF", 0);
  const version = cursor.u32("the version");
  if (version === 2 || version === 3) return version;
  if (version === 1) return cursor.fail("GGUF version 1 (of August 2023) is not read; convert the model again", 4);
  if ((version & 0xffff) === 0 && version !== 0) {
    return cursor.fail("big-endian GGUF is not read; convert it with gguf_convert_endian.py", 4);
  }
  return cursor.fail(`GGUF version ${version} is not known; versions 2 and 3 are read`, 4);
}

/** A count of things that take at least `minBytes` each in the rest of the file. */
function readCount(cursor: HeaderCursor, what: string, minBytes: number): number {
  const start = cursor.position;
  const count = cursor.size(what);
  cursor.reserve(count * minBytes, `a ${what} of ${count}`, start);
  return count;
}

class MetadataReader {
  readonly #cursor: HeaderCursor;
  #objectsLeft = MAX_OBJECTS;
  /** Value of `general.alignment`. */
  alignment = GGUF_DEFAULT_ALIGNMENT;

  constructor(cursor: HeaderCursor) {
    this.#cursor = cursor;
  }

  read(count: number): Map<string, GgufValue> {
    const cursor = this.#cursor;
    const metadata = new Map<string, GgufValue>();
    for (let i = 0; i < count; i++) {
      const start = cursor.position;
      this.#countObjects(1, `metadata key ${i}`);
      const key = cursor.string(`metadata key ${i}`, { maxBytes: MAX_KEY_BYTES });
      if (metadata.has(key)) cursor.fail(`metadata key ${key} is there twice`, start);
      const value = this.#value(key, this.#type(key));
      metadata.set(key, value);
      if (key === "general.alignment") this.alignment = this.#checkAlignment(value, start);
    }
    return metadata;
  }

  #type(key: string): GgufValueType {
    const start = this.#cursor.position;
    const number = this.#cursor.u32(`the type of ${key}`);
    return VALUE_TYPES.get(number) ?? this.#cursor.fail(`${key} has the unknown value type ${number}`, start);
  }

  #value(key: string, type: GgufValueType): GgufValue {
    const cursor = this.#cursor;
    switch (type) {
      case "array":
        return this.#array(key, 1);
      case "string":
        // Paths that quantisers record on Windows are not always UTF-8; they must not make a model unreadable.
        return { type, value: cursor.string(key, { maxBytes: MAX_STRING_BYTES, lossy: true }) };
      case "bool":
        return { type, value: this.#bool(key) };
      case "u64":
      case "i64":
        return { type, value: narrow(cursor[type](key)) };
      default:
        return { type, value: cursor[type](key) };
    }
  }

  #bool(key: string): boolean {
    const start = this.#cursor.position;
    const byte = this.#cursor.u8(key);
    if (byte > 1) this.#cursor.fail(`${key}: a bool must be 0 or 1, not ${byte}`, start);
    return byte === 1;
  }

  #array(key: string, depth: number): GgufArray {
    const cursor = this.#cursor;
    const start = cursor.position;
    if (depth > MAX_ARRAY_DEPTH) cursor.fail(`${key}: lists are nested deeper than ${MAX_ARRAY_DEPTH}`);
    const of = this.#type(key);
    const count = cursor.size(`the length of ${key}`);
    cursor.reserve(count * MIN_ITEM_BYTES[of], `${key}, a list of ${count} items of type ${of},`);
    switch (of) {
      case "string": {
        this.#countObjects(count, key, start);
        const value: string[] = [];
        for (let i = 0; i < count; i++) value.push(cursor.string(key, { maxBytes: MAX_STRING_BYTES }));
        return { type: "array", of, value };
      }
      case "array": {
        this.#countObjects(count, key, start);
        const value: GgufArray[] = [];
        for (let i = 0; i < count; i++) value.push(this.#array(key, depth + 1));
        return { type: "array", of, value };
      }
      case "bool": {
        this.#countObjects(count, key, start);
        const value: boolean[] = [];
        for (let i = 0; i < count; i++) value.push(this.#bool(key));
        return { type: "array", of, value };
      }
      case "u64":
      case "i64": {
        this.#countObjects(count, key, start);
        const value: (number | bigint)[] = [];
        for (let i = 0; i < count; i++) value.push(narrow(cursor[of](key)));
        return { type: "array", of, value };
      }
      default: {
        const { buffer } = cursor.bytes(count * MIN_ITEM_BYTES[of], key);
        return { type: "array", of, value: new NUMBER_LISTS[of](buffer) };
      }
    }
  }

  #checkAlignment({ type, value }: GgufValue, at: number): number {
    if (type === "u32" && Number.isInteger(Math.log2(value))) return value;
    return this.#cursor.fail("general.alignment must be a power of two of type u32", at);
  }

  #countObjects(count: number, key: string, at = this.#cursor.position): void {
    this.#objectsLeft -= count;
    if (this.#objectsLeft < 0) this.#cursor.fail(`${key}: the metadata has more than ${MAX_OBJECTS} items`, at);
  }
}

const MIN_ITEM_BYTES: Record<GgufValueType, number> = {
  u8: 1,
  i8: 1,
  bool: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  u64: 8,
  i64: 8,
  f64: 8,
  string: 8,
  array: 12,
};

const NUMBER_LISTS = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  f64: Float64Array,
} as const;

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** A row of the tensor table; `offset` counts from the start of the data section. */
type TableRow = TensorPlace & { readonly offsetAt: number };

function readTensorTable(cursor: HeaderCursor, count: number): TableRow[] {
  const rows: TableRow[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const start = cursor.position;
    const name = cursor.string(`the name of tensor ${i}`, { maxBytes: MAX_NAME_BYTES });
    if (names.has(name)) cursor.fail(`tensor ${name} is there twice`, start);
    names.add(name);
    const dimensionsAt = cursor.position;
    const dimensions = cursor.u32(`tensor ${name}: the number of dimensions`);
    if (dimensions > GGUF_MAX_DIMENSIONS) {
      cursor.fail(`tensor ${name} has ${dimensions} dimensions, more than ${GGUF_MAX_DIMENSIONS}`, dimensionsAt);
    }
    const shape: number[] = [];
    for (let d = 0; d < dimensions; d++) shape.unshift(cursor.size(`tensor ${name}: dimension ${d}`));
    const typeAt = cursor.position;
    const type = cursor.u32(`tensor ${name}: the type`);
    const dtype = STORED_TYPES.get(type) ?? cursor.fail(`tensor ${name} has the unknown ggml type ${type}`, typeAt);
    const byteLength = tensorBytes(dtype, shape);
    if (typeof byteLength === "string") cursor.fail(`tensor ${name}: ${byteLength}`, dimensionsAt);
    const offsetAt = cursor.position;
    rows.push({ name, dtype, shape, byteLength, offset: cursor.size(`tensor ${name}: the offset`), offsetAt });
  }
  return rows;
}
