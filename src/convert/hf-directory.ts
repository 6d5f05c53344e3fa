import { generationFromHf } from "../engine/text.ts";
import { saveFile } from "../formats/file-sink.ts";
import { openFolder } from "../formats/file-source.ts";
import type { GgufValue } from "../formats/gguf-values.ts";
import { ggufChunks } from "../formats/gguf-writer.ts";
import { openCheckpoint, readJson } from "../model/checkpoint.ts";
import { loadTokenizer } from "../tokenizer/tokenizer-files.ts";
import { type GgufTarget, ggufHyperparameters, ggufTensors, ggufText } from "./hf-to-gguf.ts";

/**
 * Writes a Hugging Face directory (config.json, safetensors, tokenizer.json) as one GGUF file, MTP layers included.
 * @param about `general.*` metadata: name, description, license ...
 * @throws FormatError, ConfigError; no file is left behind
 */
export async function convertDirectory(
  directory: string,
  out: string,
  target: GgufTarget,
  about: Readonly<Record<string, string>>,
): Promise<void> {
  const folder = openFolder(directory);
  const checkpoint = await openCheckpoint(folder);
  try {
    const { config, weights } = checkpoint;
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
    await saveFile(out, ggufChunks(metadata, await ggufTensors(config, weights, target)));
  } finally {
    await checkpoint.close();
  }
}
