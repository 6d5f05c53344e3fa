import { randomUUID } from "node:crypto";
import { open, rename, rm, stat } from "node:fs/promises";

/**
 * Writes a file piece by piece under a temporary name beside it and renames it when it is complete: a failed or
 * interrupted write leaves what was there before. Only one piece is in memory at a time. A device or a pipe, which another
 * file must not take the place of, is written to as it is.
 */
export async function saveFile(file: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (found && !found.isFile() && !found.isDirectory()) return writeInto(file, chunks);
  const temporary = `${file}.${randomUUID()}.part`;
  const handle = await open(temporary, "wx");
  try {
    try {
      for await (const chunk of chunks) await handle.appendFile(chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeInto(file: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const handle = await open(file, "w");
  try {
    for await (const chunk of chunks) await handle.writeFile(chunk);
  } finally {
    await handle.close();
  }
}
