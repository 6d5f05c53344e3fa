import { ConfigError, FormatError } from "../errors.ts";
import type { ByteFolder } from "../formats/byte-source.ts";
import type { GgufMetadata } from "../formats/gguf-metadata.ts";
import { openGguf } from "../formats/gguf-reader.ts";
import { openSafetensors } from "../formats/safetensors-reader.ts";
import type { TensorEntry, TensorFile } from "../formats/tensor-file.ts";
import { readWeight } from "../tensor/decode/read-weight.ts";
import type { ModelConfig } from "./config.ts";
import { configFromGguf } from "./config-gguf.ts";
import { configFromHf, fp8BlockSize } from "./config-hf.ts";
import { recordMtp, recordNetwork } from "./network.ts";
import { unusedTensors } from "./unused-tensors.ts";
import type { ModelWeights } from "./weights.ts";
import { wholeWeight } from "./weights.ts";
import { GgufWeights } from "./weights-gguf.ts";
import { HfWeights } from "./weights-hf.ts";

/** A model on disk: its network and where its weights lie. Whoever opened it closes it. */
export interface Checkpoint {
  readonly config: ModelConfig;
  readonly weights: ModelWeights;
  readonly file: TensorFile;
  /** Metadata of a GGUF, null for a Hugging Face directory. */
  readonly gguf: GgufMetadata | null;
  /** Things a user should know about this file. */
  readonly notes: readonly string[];
  close(): Promise<void>;
}

/** What all tensors take as they are stored. */
export function storedBytes({ file }: Checkpoint): number {
  return [...file.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** Longest config.json that is read; released ones have a few KB. */
const MAX_CONFIG_BYTES = 2 ** 22;

/**
 * Opens a GGUF file of a folder, or without a name the folder's Hugging Face checkpoint. Only headers are read.
 * @throws FormatError, ConfigError, ShapeError
 */
export async function openCheckpoint(folder: ByteFolder, ggufName?: string): Promise<Checkpoint> {
  const checkpoint = await (ggufName === undefined ? openHf(folder) : openGgufCheckpoint(folder, ggufName));
  try {
    return { ...checkpoint, notes: [...checkpoint.notes, ...unusedNote(checkpoint)] };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** Recording the network also finds weights that are missing or do not fit, before anything is loaded. */
function unusedNote({ config, weights, file }: Checkpoint): string[] {
  const mtp = Array.from({ length: config.numNextnPredictLayers }, (_, index) => recordMtp(config, weights, index));
  const unused = unusedTensors(file.tensors, [recordNetwork(config, weights), ...mtp]);
  if (unused.length === 0) return [];
  const shown = unused.slice(0, 3).join(", ") + (unused.length > 3 ? ", ..." : "");
  return [`${unused.length} tensor(s) of the file are not used by this network: ${shown}`];
}

async function openHf(folder: ByteFolder): Promise<Checkpoint> {
  const json = await readJson(folder, "config.json");
  const described = configFromHf(json, "config.json");
  const fp8Block = fp8BlockSize(json, "config.json");
  const file = await openSafetensors(folder);
  try {
    // Fine-tunes often drop the MTP layers and leave the number in config.json: the weights decide.
    const mtpMissing = !new HfWeights(file, described, null).has(described.numHiddenLayers, "ehProj");
    const config = mtpMissing ? { ...described, numNextnPredictLayers: 0 } : described;
    const weights = new HfWeights(file, config, fp8Block);
    const dropped = described.numNextnPredictLayers - config.numNextnPredictLayers;
    const notes = dropped > 0 ? [`config.json names ${dropped} MTP layer(s), which the file does not have`] : [];
    return { config, weights, file, gguf: null, notes, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openGgufCheckpoint(folder: ByteFolder, name: string): Promise<Checkpoint> {
  const file = await openGguf(folder, name);
  try {
    const factors = file.tensors.get("rope_freqs.weight");
    const { config, notes } = configFromGguf(file.metadata, file.tensors, factors ? await readFactors(factors) : null);
    return {
      config,
      weights: new GgufWeights(file, config),
      file,
      gguf: file.metadata,
      notes,
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readFactors(entry: TensorEntry): Promise<number[]> {
  if (entry.shape.length !== 1 || entry.shape[0]! > 4096) {
    throw new FormatError(
      entry.file,
      entry.offset,
      `tensor ${entry.name} has the shape [${entry.shape}]; want one dimension`,
    );
  }
  return Array.from(await readWeight(wholeWeight(entry.name, entry)));
}

/** @throws FormatError when the file is missing, too long or not JSON */
export async function readJson(folder: ByteFolder, fileName: string, maxBytes = MAX_CONFIG_BYTES): Promise<unknown> {
  const source = await folder.open(fileName);
  try {
    if (source.size > maxBytes) throw new FormatError(source.name, 0, `is longer than ${maxBytes} bytes`);
    const text = new TextDecoder().decode(await source.read(0, source.size));
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new ConfigError(fileName, `is not valid JSON: ${(cause as Error).message}`, { cause });
    }
  } finally {
    await source.close();
  }
}
