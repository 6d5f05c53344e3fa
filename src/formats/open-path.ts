import path from "node:path";
import { isDirectory, openFolder } from "./file-source.ts";
import { type GgufFile, openGguf } from "./gguf-reader.ts";
import { openSafetensors } from "./safetensors-reader.ts";
import type { TensorFile } from "./tensor-file.ts";

/** Opens a .gguf file of the file system: see openGguf. */
export function openGgufPath(file: string): Promise<GgufFile> {
  return openGguf(openFolder(path.dirname(file)), path.basename(file));
}

/** Opens a .safetensors file, or the checkpoint in a directory: see openSafetensors. */
export async function openSafetensorsPath(fileOrDirectory: string): Promise<TensorFile> {
  if (await isDirectory(fileOrDirectory)) return openSafetensors(openFolder(fileOrDirectory));
  return openSafetensors(openFolder(path.dirname(fileOrDirectory)), path.basename(fileOrDirectory));
}
