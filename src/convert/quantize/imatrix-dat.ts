import { FormatError } from "../../errors.ts";
import type { ByteSource } from "../../formats/byte-source.ts";
import { findBad, fitsTensor, type ImportanceMatrix, MAX_ENTRY_BYTES } from "./imatrix.ts";

interface Entry {
  /** Of the numbers. */
  readonly offset: number;
  readonly length: number;
  /** What the sums are divided by. */
  readonly calls: number;
}

/** More tensors than any model has, and longer names. */
const MAX_ENTRIES = 2 ** 20;
const MAX_NAME_BYTES = 256;

/**
 * Opens an importance matrix of the older format, all numbers little-endian: how many entries (i32), then for each the length
 * of its name (i32), the name, calls (i32), how many values (i32), and the values (f32): `calls` times the mean squares,
 * [matrices, columns]. At the end the number of chunks (i32), and the length (i32) and the name of the text it was made of;
 * both may be missing. Takes over the source. Source: llama.cpp, tools/imatrix, save_imatrix_legacy.
 * @throws FormatError
 */
export async function openImatrixDat(source: ByteSource): Promise<ImportanceMatrix> {
  try {
    const entries = await readEntries(source);
    return {
      name: source.name,
      tensors: new Set(entries.keys()),
      async of(tensor, shape) {
        const entry = entries.get(tensor);
        return entry === undefined ? null : readValues(source, tensor, entry, shape);
      },
      close: () => source.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readEntries(source: ByteSource): Promise<Map<string, Entry>> {
  const fail = (at: number, message: string): never => {
    throw new FormatError(source.name, at, `${message}; --imatrix takes what llama-imatrix writes (GGUF or .dat)`);
  };
  let at = 0;
  const number = async (what: string, least: number, most: number): Promise<number> => {
    if (source.size - at < 4) fail(at, `the file ends before ${what}: it is truncated, or no importance matrix`);
    const bytes = await source.read(at, 4);
    const value = new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true);
    if (value < least || value > most) fail(at, `${what} is ${value}, want ${least} to ${most}`);
    at += 4;
    return value;
  };
  const count = await number("the number of tensors", 1, MAX_ENTRIES);
  const entries = new Map<string, Entry>();
  while (entries.size < count) {
    const nameAt = at;
    const nameBytes = await number("the length of a tensor's name", 1, MAX_NAME_BYTES);
    if (nameBytes > source.size - at) fail(at, "the file ends in a tensor's name: it is truncated");
    const name = new TextDecoder().decode(await source.read(at, nameBytes));
    at += nameBytes;
    if (entries.has(name)) fail(nameAt, `${name} is there twice`);
    const calls = await number(`the number of calls of ${name}`, 0, 2 ** 31 - 1);
    const length = await number(`the number of values of ${name}`, 1, MAX_ENTRY_BYTES / 4);
    if (4 * length > source.size - at) {
      fail(at, `${name} has ${length} values, but only ${source.size - at} bytes follow: the file is truncated`);
    }
    entries.set(name, { offset: at, length, calls: Math.max(1, calls) });
    at += 4 * length;
  }
  if (at === source.size) return entries;
  await number("the number of chunks", 0, 2 ** 31 - 1);
  if (at === source.size) return entries;
  const left = source.size - at - 4;
  const text = await number("the length of the text's name", 0, 2 ** 31 - 1);
  if (text !== left) fail(at - 4, `the text's name has ${text} bytes, but ${left} follow`);
  return entries;
}

async function readValues(
  source: ByteSource,
  tensor: string,
  { offset, length, calls }: Entry,
  shape: readonly number[],
) {
  const columns = shape.at(-1)!;
  const matrices = length / columns;
  if (!fitsTensor(columns, matrices, shape)) {
    const message = `${tensor} has ${length} values, which does not fit its shape [${shape}]: want ${columns} for each matrix`;
    throw new FormatError(source.name, offset, message);
  }
  const values = new Float32Array((await source.read(offset, 4 * length)).slice().buffer);
  const bad = findBad(values);
  if (bad >= 0) {
    const message = `${tensor} has the value ${values[bad]}; want 0 or more`;
    throw new FormatError(source.name, offset + 4 * bad, message);
  }
  return { values: values.map((value) => value / calls), matrices };
}
