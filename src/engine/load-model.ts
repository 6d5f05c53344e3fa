import { ConfigError } from "../errors.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import type { Backend, Numerics } from "../tensor/backend.ts";
import type { CacheDType } from "../tensor/program.ts";
import { type StartTemplateThread, TemplateWorker } from "../tokenizer/template-worker.ts";
import { Engine } from "./engine.ts";
import type { LoadProgress } from "./network-runner.ts";
import type { OpenPrefixStore } from "./prefix-store.ts";
import type { ModelText } from "./text.ts";

/** What loading takes from where it runs: src/node.ts, src/browser.ts. */
export interface ModelHost {
  openModel(): Promise<NamedCheckpoint>;
  /** @param note told what a user should know of the choice, one line each */
  openBackend(checkpoint: Checkpoint, note: (line: string) => void): Promise<Backend>;
  loadText(checkpoint: Checkpoint): ModelText | Promise<ModelText>;
  readonly startTemplateThread: StartTemplateThread;
  /** Where beginnings of texts outlive the process. Left out: nowhere. */
  readonly openPrefixStore?: OpenPrefixStore | undefined;
}

/** A model opened for reading and what it is called. */
export interface NamedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** Short name: of the file without .gguf, or of the directory. */
  readonly name: string;
  /** One sentence for people. Default empty. */
  readonly description?: string;
  /** Modification time in Unix seconds, 0 where unknown. */
  readonly modified: number;
}

export interface ModelOptions {
  /** Default auto: fast where weights are quantised and the backend can, else exact. */
  readonly numerics?: Numerics | "auto";
  /** What the cache is kept in. Default auto: f16 for fast numerics, f32 for exact ones. */
  readonly cacheType?: CacheDType | "auto";
  /** Positions a sequence may have. Default: the model's own limit, at most 8192. */
  readonly contextSize?: number;
  /** Answers that are made at the same time; others wait. Default 4. */
  readonly parallel?: number;
  /** Requests that may wait; a further one is refused. Default 64. */
  readonly maxWaiting?: number;
  /** Bytes of the cache. Default: `parallel` answers of full length. */
  readonly cacheMemory?: number;
  /** The same seed gives the same answer also where its beginning was in the cache. Default false. */
  readonly deterministic?: boolean;
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
}

/** A model that answers, with everything it needs; one `close()` frees it all. */
export interface LoadedModel {
  readonly engine: Engine;
  /** Things a user should know about the file and about what computes. */
  readonly notes: readonly string[];
  close(): Promise<void>;
}

/**
 * Files, backend, templates and engine, opened in order and closed in the opposite one.
 * @throws FormatError, ConfigError, ShapeError, BackendUnavailableError; what was opened by then is closed
 */
export async function assembleModel(host: ModelHost, options: ModelOptions): Promise<LoadedModel> {
  const closers: (() => unknown)[] = [];
  const close = async () => {
    for (const step of closers.splice(0).reverse()) await step();
  };
  try {
    const notes: string[] = [];
    const { checkpoint, name, description, modified } = await host.openModel();
    closers.push(() => checkpoint.close());
    const backend = await host.openBackend(checkpoint, (line) => notes.push(line));
    closers.push(() => backend.close());
    const text = await host.loadText(checkpoint);
    checkVocabulary(text, checkpoint);
    const worker = new TemplateWorker(host.startTemplateThread);
    closers.push(() => worker.close());
    const engine = await Engine.load(checkpoint, text, backend, {
      ...options,
      id: name,
      description,
      created: modified,
      openPrefixStore: host.openPrefixStore,
      renderTemplate: (source, variables) => worker.render(source, variables),
    });
    closers.push(() => engine.close());
    return { engine, notes: [...notes, ...checkpoint.notes], close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A tokenizer may name fewer ids than the network has rows (padding), never more. */
function checkVocabulary(text: ModelText, { config }: Checkpoint): void {
  if (text.tokenizer.size > config.vocabSize) {
    throw new ConfigError(
      "vocab_size",
      `${config.vocabSize}, but the tokenizer has ids up to ${text.tokenizer.size - 1}`,
    );
  }
}
