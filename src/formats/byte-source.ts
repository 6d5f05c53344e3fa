import { FormatError } from "../errors.ts";

/** Bytes that can be read at any place: a file, a Blob, an array. Whoever opened it closes it. */
export interface ByteSource {
  /** File name for error messages. */
  readonly name: string;
  /** Of a file in the file system. */
  readonly path?: string;
  /** Length in bytes. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`. The result may be a view on a larger buffer and must not be written to.
   * @throws FormatError when the range does not lie inside the source
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** The folder that holds the files of one model. Names are plain file names, without a path. */
export interface ByteFolder {
  /** For error messages. */
  readonly name: string;
  has(fileName: string): Promise<boolean>;
  /** @throws FormatError when there is no such file */
  open(fileName: string): Promise<ByteSource>;
}

/** @throws FormatError when `offset`, `length` is not a range inside `source` */
export function checkRange(source: { readonly name: string; readonly size: number }, offset: number, length: number) {
  const valid = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!valid || length > source.size - offset) {
    throw new FormatError(source.name, offset, `${length} bytes wanted here, but the file has ${source.size} bytes`);
  }
}

/** A source over bytes in memory. Reads are views: nothing is copied. */
export function memorySource(name: string, bytes: Uint8Array): ByteSource {
  const source: ByteSource = {
    name,
    size: bytes.length,
    async read(offset, length) {
      checkRange(source, offset, length);
      return bytes.subarray(offset, offset + length);
    },
    async close() {},
  };
  return source;
}

/** A folder of files in memory, for browsers and tests. */
export function memoryFolder(files: Readonly<Record<string, Uint8Array>>, name = "memory"): ByteFolder {
  return {
    name,
    async has(fileName) {
      return Object.hasOwn(files, fileName);
    },
    async open(fileName) {
      const bytes = Object.hasOwn(files, fileName) ? files[fileName] : undefined;
      if (!bytes) throw new FormatError(fileName, 0, `no such file in ${name}`);
      return memorySource(fileName, bytes);
    },
  };
}
