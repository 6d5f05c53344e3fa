import { FormatError } from "../errors.ts";

/** Thrown where the bytes read so far end inside the header; the caller reads at least `length` bytes and starts again. */
export class MoreBytesNeeded {
  readonly length: number;
  constructor(length: number) {
    this.length = length;
  }
}

/**
 * Little-endian reader over the first bytes of a file. Every read is checked against the file before anything is
 * allocated: past the end of the file it throws FormatError, past the bytes at hand MoreBytesNeeded.
 */
export class HeaderCursor {
  readonly file: string;
  position = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fileSize: number;
  readonly #strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  readonly #lossy = new TextDecoder("utf-8", { ignoreBOM: true });

  /** @param bytes the first bytes of a file of `fileSize` bytes */
  constructor(file: string, bytes: Uint8Array, fileSize: number) {
    this.file = file;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#fileSize = fileSize;
  }

  /** @throws FormatError naming the byte `at` (default: where the cursor stands) */
  fail(message: string, at = this.position): never {
    throw new FormatError(this.file, at, message);
  }

  /** Takes `length` bytes and returns where they start. */
  take(length: number, what: string): number {
    const start = this.position;
    this.reserve(length, what);
    if (length > this.#bytes.length - start) throw new MoreBytesNeeded(start + length);
    this.position = start + length;
    return start;
  }

  /** Bytes of the file after the cursor. */
  get left(): number {
    return this.#fileSize - this.position;
  }

  /** Checks that the file has `length` more bytes. */
  reserve(length: number, what: string, at = this.position): void {
    if (length > this.left) this.fail(`${what} needs ${length} bytes, but only ${this.left} follow in the file`, at);
  }

  u8(what: string): number {
    return this.#view.getUint8(this.take(1, what));
  }
  i8(what: string): number {
    return this.#view.getInt8(this.take(1, what));
  }
  u16(what: string): number {
    return this.#view.getUint16(this.take(2, what), true);
  }
  i16(what: string): number {
    return this.#view.getInt16(this.take(2, what), true);
  }
  u32(what: string): number {
    return this.#view.getUint32(this.take(4, what), true);
  }
  i32(what: string): number {
    return this.#view.getInt32(this.take(4, what), true);
  }
  f32(what: string): number {
    return this.#view.getFloat32(this.take(4, what), true);
  }
  f64(what: string): number {
    return this.#view.getFloat64(this.take(8, what), true);
  }
  u64(what: string): bigint {
    return this.#view.getBigUint64(this.take(8, what), true);
  }
  i64(what: string): bigint {
    return this.#view.getBigInt64(this.take(8, what), true);
  }

  /** A u64 used as a count, length or offset. */
  size(what: string): number {
    const start = this.take(8, what);
    const value = this.#view.getUint32(start, true) + this.#view.getUint32(start + 4, true) * 2 ** 32;
    if (!Number.isSafeInteger(value)) this.fail(`${what} ${value} is beyond 2^53`, start);
    return value;
  }

  /** A copy of `length` bytes. */
  bytes(length: number, what: string): Uint8Array<ArrayBuffer> {
    const start = this.take(length, what);
    return this.#bytes.slice(start, start + length) as Uint8Array<ArrayBuffer>;
  }

  /** UTF-8 text with its length before it as a u64. */
  string(what: string, { maxBytes, lossy = false }: { maxBytes: number; lossy?: boolean }): string {
    const start = this.position;
    const length = this.size(what);
    if (length > maxBytes) this.fail(`${what} of ${length} bytes is longer than ${maxBytes}`, start);
    const at = this.take(length, what);
    const bytes = this.#bytes.subarray(at, at + length);
    if (lossy) return this.#lossy.decode(bytes);
    try {
      return this.#strict.decode(bytes);
    } catch {
      return this.fail(`${what} is not valid UTF-8`, at);
    }
  }
}
