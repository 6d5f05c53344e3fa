import { type FileHandle, open, stat } from "node:fs/promises";
import path from "node:path";
import { FormatError } from "../errors.ts";
import { type ByteFolder, type ByteSource, checkRange } from "./byte-source.ts";

/** One read(2) returns less than 2^31 bytes; longer ranges are read in pieces of this size. */
const MAX_READ = 2 ** 30;

/**
 * Opens a file for reading at any place; files over 4 GiB work.
 * @throws FormatError when it is missing, is not a regular file or may not be read
 */
export async function openFile(file: string): Promise<ByteSource> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, "r");
    const info = await handle.stat();
    if (!info.isFile()) throw new Error("not a regular file");
    return new FileSource(file, info.size, handle);
  } catch (cause) {
    await handle?.close();
    throw new FormatError(file, 0, `cannot be opened: ${reason(cause)}`, { cause });
  }
}

/** The folder `directory` of the file system. */
export function openFolder(directory: string): ByteFolder {
  return {
    name: directory,
    async has(fileName) {
      const info = await stat(path.join(directory, fileName)).catch(() => null);
      return info?.isFile() ?? false;
    },
    open: (fileName) => openFile(path.join(directory, fileName)),
  };
}

export async function isDirectory(file: string): Promise<boolean> {
  const info = await stat(file).catch(() => null);
  return info?.isDirectory() ?? false;
}

class FileSource implements ByteSource {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly #handle: FileHandle;

  constructor(name: string, size: number, handle: FileHandle) {
    this.name = name;
    this.path = name;
    this.size = size;
    this.#handle = handle;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this, offset, length);
    // Every byte is overwritten below, so the zero fill of `new Uint8Array` would only cost time.
    const bytes = Buffer.allocUnsafeSlow(length);
    let done = 0;
    while (done < length) {
      const want = Math.min(length - done, MAX_READ);
      const { bytesRead } = await this.#handle.read(bytes, done, want, offset + done);
      if (bytesRead === 0) throw new FormatError(this.name, offset + done, "the file became shorter while it was open");
      done += bytesRead;
    }
    return new Uint8Array(bytes.buffer, bytes.byteOffset, length);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
