import { openReference } from "../src/backends/reference/backend.ts";
import { pagesFor } from "../src/engine/evaluate.ts";
import { NetworkRunner } from "../src/engine/network-runner.ts";
import { openFolder } from "../src/formats/file-source.ts";
import type { TensorEntry, TensorFile } from "../src/formats/tensor-file.ts";
import type { Checkpoint } from "../src/model/checkpoint.ts";
import { openCheckpoint } from "../src/model/checkpoint.ts";
import { ROW_PROMPT } from "../src/tensor/backend.ts";
import { logitsInChunks } from "./golden/steps.ts";
import { fixture } from "./shared-fixtures.ts";

/** Opens a fixture that travels with the repository: a family's folder, or a file of gguf/. */
export function openTiny(name: string): Promise<Checkpoint> {
  return name.endsWith(".gguf")
    ? openCheckpoint(openFolder(fixture("gguf")!), name)
    : openCheckpoint(openFolder(fixture(name)!));
}

/** The same file, with its table of tensors changed. */
export function changed(file: TensorFile, change: (tensors: Map<string, TensorEntry>) => void): TensorFile {
  const tensors = new Map(file.tensors);
  change(tensors);
  return { ...file, tensors };
}

/** Logits of a text on the reference backend, read in one step. */
export async function logitsOf(checkpoint: Checkpoint, tokens: readonly number[]): Promise<Float32Array> {
  const backend = openReference();
  try {
    const runner = await NetworkRunner.load(checkpoint, backend, {
      pages: pagesFor(tokens.length),
      maxRows: tokens.length,
    });
    return await logitsInChunks(runner, Int32Array.from(tokens), tokens.length, ROW_PROMPT);
  } finally {
    backend.close();
  }
}
