import { readFile } from "node:fs/promises";
import { UsageError } from "./exit-codes.ts";
import { type Io, readStdin } from "./io.ts";

interface Input {
  readonly io: Io;
  readonly signal: AbortSignal;
}

/**
 * The text of a file, or of stdin where the name is `-`, exactly: no line end is taken off, a byte order mark is text,
 * and bytes that are no UTF-8 become U+FFFD.
 * @param from the argument that named the file, for errors
 * @throws UsageError, the signal's reason
 */
export async function readText(file: string, { io, signal }: Input, from: string): Promise<string> {
  if (file === "-") return decode(await readStdin(io, signal));
  try {
    return decode(await readFile(file));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a directory" : message;
    throw new UsageError(`${from}: cannot read ${file}: ${why}`, { cause });
  }
}

/** @throws UsageError when the file is not JSON */
export async function readJsonInput(file: string, input: Input, from: string): Promise<unknown> {
  const text = await readText(file, input, from);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const name = file === "-" ? "stdin" : file;
    throw new UsageError(`${from}: ${name} is not valid JSON: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Token ids written as a JSON array or separated by commas or white space.
 * @param size ids must be below it
 * @throws UsageError naming the id
 */
export function parseTokenIds(text: string, size: number, from: string): number[] {
  const list = text.trim().replace(/^\[([^[]*)\]$/, "$1");
  return list.split(/[\s,]+/).flatMap((part, i, parts) => {
    // White space and commas at the ends leave an empty part there.
    if (part === "" && (i === 0 || i === parts.length - 1)) return [];
    const id = /^\d+$/.test(part) ? Number(part) : Number.NaN;
    if (id < size) return [id];
    const shown = JSON.stringify(part.slice(0, 40));
    throw new UsageError(`${from}: ${shown} is not a token id of this model: want integers from 0 to ${size - 1}`);
  });
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
