import { FormatError } from "../errors.ts";
import { DTYPES } from "../tensor/dtype.ts";
import {
  isStoredType,
  isWeightType,
  type StoredType,
  sortPlaces,
  type TensorPlace,
  tensorBytes,
} from "./tensor-file.ts";

/** Limit of the safetensors crate (MAX_HEADER_SIZE). */
export const MAX_SAFETENSORS_HEADER = 100_000_000;

/** Key of the header's string map. */
export const METADATA_KEY = "__metadata__";

/** Types of single elements; blocks exist in GGUF alone. The names are the same in both formats. */
export function isSafetensorsType(dtype: string): dtype is StoredType {
  return isWeightType(dtype) ? DTYPES[dtype].blockElements === 1 : isStoredType(dtype);
}

/** What a safetensors file says before its data. */
export interface SafetensorsHeader {
  /** `__metadata__`, empty where there is none. */
  readonly metadata: ReadonlyMap<string, string>;
  /** In file order; offsets count from the start of the file. */
  readonly tensors: readonly TensorPlace[];
}

/**
 * Checks the JSON header as the safetensors crate does: the tensors cover the data without holes or overlap and end
 * with the file. Of a key that is there twice the last one counts, as there; the hole check catches what it hid.
 * Source: github.com/huggingface/safetensors, README section "Format".
 * @param json the header's bytes, which start at byte 8 of the file
 * @throws FormatError
 */
export function parseSafetensorsHeader(file: string, json: Uint8Array, fileSize: number): SafetensorsHeader {
  const header = parseObject(file, json);
  const dataStart = 8 + json.length;
  const metadata = new Map<string, string>();
  const places: TensorPlace[] = [];
  for (const [name, entry] of Object.entries(header)) {
    const fail = (message: string): never => {
      throw new FormatError(file, offsetOfKey(json, name), `${name}: ${message}`);
    };
    if (name === METADATA_KEY) {
      if (entry !== null) readMetadata(entry, metadata, fail);
    } else places.push(readPlace(name, entry, { dataStart, fileSize }, fail));
  }
  const tensors = sortPlaces(file, places);
  let end = dataStart;
  for (const { name, offset, byteLength } of tensors) {
    const hole = offset - end;
    if (hole !== 0) throw new FormatError(file, end, `${hole} bytes before tensor ${name} belong to no tensor`);
    end += byteLength;
  }
  const rest = fileSize - end;
  if (rest !== 0) throw new FormatError(file, end, `${rest} bytes after the last tensor belong to no tensor`);
  return { metadata, tensors };
}

function parseObject(file: string, json: Uint8Array): Record<string, unknown> {
  if (json[0] !== 0x7b) throw new FormatError(file, 8, "the header is not a JSON object: it does not start with {");
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json));
  } catch (cause) {
    throw new FormatError(file, 8, `the header is not valid JSON: ${(cause as Error).message}`, { cause });
  }
  return header as Record<string, unknown>;
}

function readMetadata(entry: unknown, metadata: Map<string, string>, fail: (message: string) => never): void {
  if (!isObject(entry)) fail("must be an object of strings");
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== "string") fail(`the value of ${key} must be a string`);
    metadata.set(key, value);
  }
}

function readPlace(
  name: string,
  entry: unknown,
  { dataStart, fileSize }: { dataStart: number; fileSize: number },
  fail: (message: string) => never,
): TensorPlace {
  if (!isObject(entry)) fail("must be an object with dtype, shape and data_offsets");
  const { dtype, shape, data_offsets: range } = entry;
  if (typeof dtype !== "string" || !isSafetensorsType(dtype)) {
    fail(`dtype ${JSON.stringify(dtype)} is not known`);
  }
  if (!isSizeList(shape)) fail("shape must be a list of whole numbers from 0");
  if (!isSizeList(range) || range.length !== 2) fail("data_offsets must be two whole numbers from 0");
  const [start, end] = range as [number, number];
  const byteLength = tensorBytes(dtype, shape);
  if (typeof byteLength === "string") fail(byteLength);
  if (end - start !== byteLength) {
    fail(`data_offsets [${range}] do not span the ${byteLength} bytes of shape [${shape}] in ${dtype}`);
  }
  if (end > fileSize - dataStart) {
    fail(`data_offsets end at ${end}, but only ${fileSize - dataStart} bytes of data follow (is the file cut short?)`);
  }
  return { name, dtype, shape, offset: dataStart + start, byteLength };
}

function isSizeList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Where the header names a key, for messages; the start of the header when it is spelt with escapes. */
function offsetOfKey(json: Uint8Array, key: string): number {
  const text = new TextDecoder().decode(json);
  const at = text.indexOf(JSON.stringify(key));
  return at < 0 ? 8 : 8 + new TextEncoder().encode(text.slice(0, at)).length;
}
