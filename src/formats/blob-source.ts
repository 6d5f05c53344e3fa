import { FormatError } from "../errors.ts";
import { type ByteFolder, type ByteSource, checkRange } from "./byte-source.ts";

/** A source over a Blob or File of a browser: only what is read comes into memory. */
export function blobSource(name: string, blob: Blob): ByteSource {
  const source: ByteSource = {
    name,
    size: blob.size,
    async read(offset, length) {
      checkRange(source, offset, length);
      try {
        return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
      } catch (cause) {
        // A File stands for one on disk, which may be changed or gone by now.
        throw new FormatError(name, offset, `cannot be read: ${(cause as Error).message}`, { cause });
      }
    },
    async close() {},
  };
  return source;
}

/** Files that someone chose, by their names. */
export function blobFolder(files: ReadonlyMap<string, Blob>): ByteFolder {
  return {
    name: "the chosen files",
    async has(fileName) {
      return files.has(fileName);
    },
    async open(fileName) {
      const blob = files.get(fileName);
      if (!blob) throw new FormatError(fileName, 0, "it is not among the chosen files");
      return blobSource(fileName, blob);
    },
  };
}
