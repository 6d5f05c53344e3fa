import { generationFromHf } from "../engine/text.ts";
import { saveFile } from "../formats/file-sink.ts";
import { openFolder } from "../formats/file-source.ts";
import type { GgufValue } from "../formats/gguf-values.ts";
import { ggufChunks } from "../formats/gguf-writer.ts";
import { openCheckpoint, readJson } from "../model/checkpoint.ts";
import { loadTokenizer } from "../tokenizer/tokenizer-files.ts";
import {
  type GgufSource,
  type GgufTarget,
  ggufContent,
  ggufHyperparameters,
  ggufSources,
  ggufText,
} from "./hf-to-gguf.ts";

/** A Hugging Face directory as GGUF has it; only headers are read yet. Whoever opened it closes it. */
export interface GgufView {
  readonly metadata: Map<string, GgufValue>;
  readonly tensors: GgufSource[];
  readonly notes: readonly string[];
  close(): Promise<void>;
}

/**
 * @param target what `general.file_type` says
 * @param about `general.*` metadata: name, description, license ...
 * @throws FormatError, ConfigError
 */
export async function openDirectoryAsGguf(
  directory: string,
  target: GgufTarget,
  about: Readonly<Record<string, string>>,
): Promise<GgufView> {
  const folder = openFolder(directory);
  const checkpoint = await openCheckpoint(folder);
  try {
    const { config, weights, notes } = checkpoint;
    const { spec, chatTemplate } = await loadTokenizer(directory);
    const generation = (await folder.has("generation_config.json"))
      ? await readJson(folder, "generation_config.json")
      : null;
    const { defaults } = generationFromHf(await readJson(folder, "config.json"), generation);
    const metadata = new Map<string, GgufValue>([
      ...ggufHyperparameters(config, target),
      ...Object.entries(about).map(([key, value]) => [`general.${key}`, { type: "string", value }] as const),
      ...ggufText(spec, config.vocabSize, chatTemplate, defaults),
    ]);
    return { metadata, tensors: await ggufSources(config, weights), notes, close: () => checkpoint.close() };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/**
 * Writes a Hugging Face directory (config.json, safetensors, tokenizer.json) as one GGUF file, MTP layers included.
 * @throws FormatError, ConfigError; no file is left behind
 */
export async function convertDirectory(
  directory: string,
  out: string,
  target: GgufTarget,
  about: Readonly<Record<string, string>>,
): Promise<void> {
  const view = await openDirectoryAsGguf(directory, target, about);
  try {
    const contents = view.tensors.map((tensor) => ggufContent(tensor, target));
    await saveFile(out, ggufChunks(view.metadata, contents));
  } finally {
    await view.close();
  }
}
