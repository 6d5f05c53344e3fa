import { FormatError } from "../errors.ts";
import type { ByteFolder, ByteSource } from "./byte-source.ts";
import { MAX_SAFETENSORS_HEADER, parseSafetensorsHeader } from "./safetensors-header.ts";
import { type TensorEntry, type TensorFile, tensorEntry } from "./tensor-file.ts";

const SINGLE_FILE = "model.safetensors";
const INDEX_FILE = "model.safetensors.index.json";

/** A safetensors checkpoint: one file or several shards. */
export interface SafetensorsFile extends TensorFile {
  /** `__metadata__` of all files. */
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Opens a safetensors file, or without `fileName` the checkpoint of the folder: model.safetensors, or the shards of
 * model.safetensors.index.json. Only headers are read; the weights stay on disk.
 * @throws FormatError when bytes do not follow the format, or index and shards contradict each other
 */
export async function openSafetensors(folder: ByteFolder, fileName?: string): Promise<SafetensorsFile> {
  const single = fileName ?? ((await folder.has(SINGLE_FILE)) ? SINGLE_FILE : undefined);
  if (single !== undefined) return openShards(folder, single, [single]);
  if (!(await folder.has(INDEX_FILE))) {
    throw new FormatError(folder.name, 0, `has neither ${SINGLE_FILE} nor ${INDEX_FILE}`);
  }
  const index = await readIndex(folder);
  const checkpoint = await openShards(folder, index.file, [...new Set(index.shards.values())]);
  for (const [tensor, shard] of index.shards) {
    const found = checkpoint.shardOf.get(tensor);
    if (found === shard) continue;
    await checkpoint.close();
    const where = found === undefined ? "does not have it" : `does not have it; ${found} has`;
    throw new FormatError(index.file, 0, `weight_map says that tensor ${tensor} is in ${shard}, which ${where}`);
  }
  return checkpoint;
}

interface Checkpoint extends SafetensorsFile {
  readonly shardOf: ReadonlyMap<string, string>;
}

async function openShards(folder: ByteFolder, name: string, fileNames: readonly string[]): Promise<Checkpoint> {
  const sources: ByteSource[] = [];
  const close = async () => {
    await Promise.all(sources.map((source) => source.close()));
  };
  const tensors = new Map<string, TensorEntry>();
  const shardOf = new Map<string, string>();
  const metadata = new Map<string, string>();
  try {
    for (const fileName of fileNames) {
      const source = await folder.open(fileName);
      sources.push(source);
      const header = parseSafetensorsHeader(source.name, await readHeader(source), source.size);
      for (const [key, value] of header.metadata) metadata.set(key, value);
      for (const place of header.tensors) {
        const other = shardOf.get(place.name);
        if (other) throw new FormatError(source.name, place.offset, `tensor ${place.name} is in ${other} too`);
        shardOf.set(place.name, fileName);
        tensors.set(place.name, tensorEntry(source, place));
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { name, tensors, metadata, shardOf, close };
}

async function readHeader(source: ByteSource): Promise<Uint8Array> {
  const prefix = await source.read(0, 8);
  const view = new DataView(prefix.buffer, prefix.byteOffset, 8);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > MAX_SAFETENSORS_HEADER || length > source.size - 8) {
    const limit = Math.min(MAX_SAFETENSORS_HEADER, source.size - 8);
    throw new FormatError(source.name, 0, `header length ${length} is more than ${limit}: not a safetensors file`);
  }
  return source.read(8, length);
}

/** Tensor name -> shard file name. */
async function readIndex(folder: ByteFolder): Promise<{ file: string; shards: ReadonlyMap<string, string> }> {
  const source = await folder.open(INDEX_FILE);
  const fail = (message: string, cause?: unknown): never => {
    throw new FormatError(source.name, 0, message, { cause });
  };
  try {
    if (source.size > MAX_SAFETENSORS_HEADER) fail(`is longer than ${MAX_SAFETENSORS_HEADER} bytes`);
    let index: { weight_map?: unknown } | null = null;
    try {
      index = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await source.read(0, source.size)));
    } catch (cause) {
      fail(`is not valid JSON: ${(cause as Error).message}`, cause);
    }
    const map = index?.weight_map;
    if (typeof map !== "object" || map === null) return fail("has no weight_map");
    const shards = new Map<string, string>();
    for (const [tensor, shard] of Object.entries(map)) {
      if (!isPlainFileName(shard)) return fail(`weight_map: ${tensor} must name a file of the same folder`);
      shards.set(tensor, shard);
    }
    return { file: source.name, shards };
  } finally {
    await source.close();
  }
}

/** A shard lies beside the index: a path could reach any file of the machine. */
function isPlainFileName(name: unknown): name is string {
  return typeof name === "string" && /^[^/\\:\0]+$/.test(name) && name !== "." && name !== "..";
}
