import { ConfigError, FormatError } from "../errors.ts";
import type { ByteFolder, ByteSource } from "./byte-source.ts";
import { type GgufHeader, parseGgufHeader } from "./gguf-header.ts";
import { GgufMetadata } from "./gguf-metadata.ts";
import { MoreBytesNeeded } from "./header-cursor.ts";
import { sortPlaces, type TensorEntry, type TensorFile, tensorEntry } from "./tensor-file.ts";

/** A GGUF model: metadata of its (first) file and the tensors of all its parts. */
export interface GgufFile extends TensorFile {
  readonly version: 2 | 3;
  readonly metadata: GgufMetadata;
}

/** Released headers are up to 20 MB long: vocabulary, merges and the tensor table. */
const MAX_HEADER_BYTES = 2 ** 28;
const FIRST_READ_BYTES = 2 ** 20;

/**
 * Opens a GGUF file, with its other parts when it is the first of a split model (`x-00001-of-0000N.gguf`).
 * Only headers are read; the weights stay on disk.
 * @throws FormatError when the bytes do not follow the format or a part is missing
 * @throws ConfigError when the split keys are of the wrong type
 */
export async function openGguf(folder: ByteFolder, fileName: string): Promise<GgufFile> {
  const sources: ByteSource[] = [];
  const close = async () => {
    await Promise.all(sources.map((source) => source.close()));
  };
  const openPart = async (name: string): Promise<Part> => {
    const source = await folder.open(name);
    sources.push(source);
    const header = await readHeader(source);
    sortPlaces(source.name, header.tensors);
    return { source, header, metadata: new GgufMetadata(source.name, header.metadata) };
  };
  try {
    const first = await openPart(fileName);
    const parts = [first];
    for (const name of otherParts(first, fileName)) {
      if (!(await folder.has(name)))
        throw new FormatError(name, 0, `this part of ${fileName} is not in ${folder.name}`);
      const part = await openPart(name);
      checkPart(part, parts.length, first);
      parts.push(part);
    }
    const tensors = collectTensors(parts);
    return { name: first.source.name, version: first.header.version, metadata: first.metadata, tensors, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Part {
  readonly source: ByteSource;
  readonly header: GgufHeader;
  readonly metadata: GgufMetadata;
}

/** Reads more of the file until the header is complete. */
async function readHeader(source: ByteSource): Promise<GgufHeader> {
  let length = Math.min(FIRST_READ_BYTES, source.size);
  for (;;) {
    const bytes = await source.read(0, length);
    try {
      return parseGgufHeader(source.name, bytes, source.size);
    } catch (error) {
      if (!(error instanceof MoreBytesNeeded)) throw error;
      if (error.length > MAX_HEADER_BYTES) {
        throw new FormatError(source.name, length, `the header is longer than ${MAX_HEADER_BYTES} bytes`);
      }
      length = Math.min(Math.max(error.length, 4 * length), MAX_HEADER_BYTES, source.size);
    }
  }
}

/** File names of the parts after the first one. */
function otherParts({ source, metadata }: Part, fileName: string): string[] {
  const count = metadata.optionalNumber("split.count") ?? 1;
  if (count <= 1) return [];
  const number = metadata.number("split.no");
  const name = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/s.exec(fileName);
  if (!name || Number(name[2]) !== number + 1 || Number(name[3]) !== count) {
    const end = `-${pad(number + 1)}-of-${pad(count)}.gguf`;
    throw new FormatError(source.name, 0, `part ${number + 1} of ${count} must have a name that ends in ${end}`);
  }
  const partName = (part: number) => `${name[1]}-${pad(part)}-of-${pad(count)}.gguf`;
  if (number !== 0) {
    throw new FormatError(source.name, 0, `this is part ${number + 1} of ${count}; open the first, ${partName(1)}`);
  }
  return Array.from({ length: count - 1 }, (_, i) => partName(i + 2));
}

function checkPart({ source, metadata }: Part, index: number, first: Part): void {
  const number = metadata.number("split.no");
  const count = metadata.number("split.count");
  const wantCount = first.metadata.number("split.count");
  if (number !== index || count !== wantCount) {
    const got = `split.no ${number} of ${count}`;
    throw new FormatError(source.name, 0, `has ${got}, want ${index} of ${wantCount}: it is a part of another model`);
  }
}

function collectTensors(parts: readonly Part[]): Map<string, TensorEntry> {
  const tensors = new Map<string, TensorEntry>();
  for (const { source, header } of parts) {
    for (const place of header.tensors) {
      const other = tensors.get(place.name);
      if (other) throw new FormatError(source.name, place.offset, `tensor ${place.name} is in ${other.file} too`);
      tensors.set(place.name, tensorEntry(source, place));
    }
  }
  const want = parts.length > 1 ? parts[0]!.metadata.optionalNumber("split.tensors.count") : undefined;
  if (want !== undefined && want !== tensors.size) {
    throw new ConfigError("split.tensors.count", `is ${want}, but the parts have ${tensors.size} tensors together`);
  }
  return tensors;
}

function pad(part: number): string {
  return String(part).padStart(5, "0");
}
