import { ApiError, ConfigError, TextError } from "../errors.ts";
import type { GrammarSource } from "../grammar/compile-grammar.ts";
import { PAGE_SIZE } from "../model/cache-layout.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import type { Backend, MemoryUse } from "../tensor/backend.ts";
import type { RenderTemplate } from "../tokenizer/chat-template.ts";
import { ChatRenderer, withToolArguments } from "../tokenizer/chat-template.ts";
import { Answer } from "./answer.ts";
import { BlockPool } from "./block-pool.ts";
import type { TokenConstraint } from "./constraint.ts";
import { Embedding } from "./embedding.ts";
import { type EngineCounters, EngineLoop, type Task } from "./engine-loop.ts";
import { pagesFor } from "./evaluate.ts";
import type {
  ChatInput,
  GenerationEvent,
  GenerationRequest,
  ModelActivity,
  RenderedChat,
  ServedModel,
} from "./generation.ts";
import { GrammarCache } from "./grammar-cache.ts";
import { networkFingerprint } from "./network-fingerprint.ts";
import type { Prediction, RunnerOptions } from "./network-runner.ts";
import { NetworkRunner } from "./network-runner.ts";
import { Pooler, type Pooling } from "./pooling.ts";
import type { OpenPrefixStore, PrefixStore } from "./prefix-store.ts";
import { Candidates } from "./sampling/candidates.ts";
import { breakerSequences, DRY_BREAKER_STRINGS } from "./sampling/dry-breakers.ts";
import type { SamplingParams } from "./sampling/params.ts";
import { validateSampling } from "./sampling/params.ts";
import { createSampler } from "./sampling/sampler.ts";
import { Scheduler } from "./scheduler.ts";
import { Sequence } from "./sequence.ts";
import { validateStopStrings } from "./stop-strings.ts";
import { StoredPrefixes } from "./stored-prefixes.ts";
import type { ModelText } from "./text.ts";
import { type TimeLimit, TimeLimits } from "./time-limits.ts";

export interface EngineOptions {
  readonly id: string;
  /** One sentence for people. Default empty. */
  readonly description?: string;
  /** Unix seconds. Default 0. */
  readonly created?: number;
  /** Default auto. */
  readonly numerics?: RunnerOptions["numerics"];
  /** Default auto. */
  readonly cacheType?: RunnerOptions["cacheType"];
  /** Positions a sequence may have. Default: what the model was made for, at most 8192. */
  readonly contextSize?: number;
  /** Answers that are made at the same time; others wait. Default 4. */
  readonly parallel?: number;
  /** Requests that may wait; a further one is refused. Default 64. */
  readonly maxWaiting?: number;
  /**
   * Bytes of the cache, which answers and what is kept of earlier ones share. At least one answer of full length.
   * Default: as many of those as are made at the same time.
   */
  readonly cacheMemory?: number;
  /**
   * A seeded request gives the same text whether or not its beginning was found in the cache: what was generated is read
   * again when it comes back as part of a prompt. Default false.
   */
  readonly deterministic?: boolean;
  /** Opens where beginnings of texts are kept beyond this process. Default: nowhere. */
  readonly openPrefixStore?: OpenPrefixStore;
  /** Renders chat templates; the engine does not own it. */
  readonly renderTemplate: RenderTemplate;
  readonly onProgress?: RunnerOptions["onProgress"];
  readonly signal?: AbortSignal;
}

export interface EngineActivity extends EngineCounters, ModelActivity {}

/** What decides over the memory of a model. */
export type RoomOptions = Pick<EngineOptions, "numerics" | "cacheType" | "contextSize" | "parallel" | "cacheMemory">;

const DEFAULT_CONTEXT = 8192;
const DEFAULT_PARALLEL = 4;

/**
 * A loaded model that answers: prompts in, tokens out. Answers are made side by side: each step computes the next token of
 * all of them, and a part of the prompts that are still to be read.
 */
export class Engine implements ServedModel {
  readonly id: string;
  readonly description: string;
  readonly created: number;
  readonly contextSize: number;
  readonly text: ModelText;
  /** Of the backend. */
  readonly memory: MemoryUse;
  readonly #runner: NetworkRunner;
  readonly #pool: BlockPool;
  readonly #scheduler: Scheduler;
  readonly #loop: EngineLoop;
  readonly #stored: StoredPrefixes | null;
  readonly #chat: ChatRenderer | null;
  readonly #vocabSize: number;
  readonly #hiddenSize: number;
  readonly #workspace: Candidates;
  readonly #limits = new TimeLimits();
  readonly #grammars: GrammarCache;
  #dryBreakers: number[][] | null = null;

  private constructor(
    checkpoint: Checkpoint,
    text: ModelText,
    runner: NetworkRunner,
    store: PrefixStore | null,
    options: EngineOptions,
  ) {
    this.id = options.id;
    this.description = options.description ?? "";
    this.created = options.created ?? 0;
    this.contextSize = contextSize(checkpoint, options);
    this.text = text;
    this.memory = runner.memory;
    this.#runner = runner;
    const { deterministic, maxWaiting = 64, parallel = DEFAULT_PARALLEL } = options;
    const { maxRows, pages } = runner;
    this.#pool = new BlockPool({ pages, pageSize: PAGE_SIZE, deterministic });
    this.#scheduler = new Scheduler(this.#pool, { maxRows, maxSeqs: parallel, maxWaiting });
    this.#stored = store && new StoredPrefixes(this.#pool, runner.cache, store);
    this.#loop = new EngineLoop(this.#scheduler, this.#pool, (batch) => runner.run(batch), this.#stored);
    this.#vocabSize = checkpoint.config.vocabSize;
    this.#hiddenSize = checkpoint.config.hiddenSize;
    this.#workspace = new Candidates(checkpoint.config.vocabSize);
    this.#grammars = new GrammarCache(text.tokenizer);
    const { chatTemplate, bosToken, eosToken, tokenizer } = text;
    const template = chatTemplate === null ? null : { source: chatTemplate, bosToken, eosToken };
    this.#chat = template && new ChatRenderer(template, tokenizer, options.renderTemplate);
  }

  /**
   * Loads the weights into the backend. The engine does not own checkpoint or backend; both must outlive it.
   * @throws FormatError, ShapeError, UnsupportedOpError; what the store throws when it is opened
   */
  static async load(
    checkpoint: Checkpoint,
    text: ModelText,
    backend: Backend,
    options: EngineOptions,
  ): Promise<Engine> {
    const { onProgress, signal } = options;
    const wanted = { ...runnerOptions(checkpoint, backend, options), onProgress, signal };
    const runner = await NetworkRunner.load(checkpoint, backend, wanted);
    try {
      return new Engine(checkpoint, text, runner, await openStore(checkpoint, runner, options), options);
    } catch (error) {
      runner.close();
      throw error;
    }
  }

  /**
   * What load() would take, found from the headers alone.
   * @returns null where the backend cannot tell
   */
  static async predict(
    checkpoint: Checkpoint,
    backend: Backend,
    options: RoomOptions,
  ): Promise<(Prediction & { contextSize: number; parallel: number }) | null> {
    const prediction = await NetworkRunner.predict(checkpoint, backend, runnerOptions(checkpoint, backend, options));
    const { parallel = DEFAULT_PARALLEL } = options;
    return prediction && { ...prediction, contextSize: contextSize(checkpoint, options), parallel };
  }

  /** What goes on now, and what went on since the model was loaded. */
  get activity(): EngineActivity {
    const { size, available, evictions, indexed } = this.#pool;
    const { running, waiting } = this.#scheduler;
    return {
      running: running.length,
      waiting: waiting.length,
      pages: { total: size, available, indexed },
      evictions,
      stored: this.#stored?.activity ?? null,
      ...this.#loop.counters,
    };
  }

  async *generate(
    request: GenerationRequest,
    { signal }: { signal?: AbortSignal } = {},
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    signal?.throwIfAborted();
    const limit = this.#limits.begin(request.timeoutMs);
    try {
      const room = this.#room(request.prompt);
      checkPriority(request.priority);
      const constraint = request.grammar ? await this.#compile(request.grammar, limit, signal) : request.constraint;
      const answer = this.#prepare(request, room, constraint ?? null);
      if (answer === null) return yield emptyAnswer(request.prompt.length);
      const leave = this.#submit(answer, limit, signal);
      try {
        for (let event: GenerationEvent | null = null; event?.type !== "end"; ) {
          event = await answer.events.next();
          yield event;
        }
      } finally {
        leave();
      }
    } finally {
      limit.end();
    }
  }

  checkGrammar(source: GrammarSource): void {
    this.#grammars.check(source);
  }

  async embed(
    prompt: readonly number[],
    pooling: Pooling,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Float32Array> {
    signal?.throwIfAborted();
    const limit = this.#limits.begin();
    try {
      this.#room(prompt);
      // Shared with none: the states of tokens that were found in the cache would be missing.
      const sequence = new Sequence({ prompt, maxLength: prompt.length, salt: null });
      const embedding = new Embedding(sequence, new Pooler(pooling, this.#hiddenSize));
      const leave = this.#submit(embedding, limit, signal);
      return await embedding.vector.finally(leave);
    } finally {
      limit.end();
    }
  }

  /**
   * Works on a task until it has ended, its client leaves or the limit is reached. Call what comes back when nobody wants it
   * any more.
   */
  #submit(task: Task, { signal: limit }: TimeLimit, client: AbortSignal | undefined): () => void {
    this.#loop.submit(task);
    const onLimit = () => {
      // One that is complete may still be read to its end, whatever time that takes.
      if (this.#loop.cancel(task)) task.events.fail(limit.reason);
    };
    const onLeft = () => {
      this.#loop.cancel(task);
      task.events.fail(client!.reason);
    };
    limit.addEventListener("abort", onLimit);
    client?.addEventListener("abort", onLeft);
    return () => {
      client?.removeEventListener("abort", onLeft);
      limit.removeEventListener("abort", onLimit);
      this.#loop.cancel(task);
    };
  }

  async renderChat(input: ChatInput): Promise<RenderedChat> {
    if (!this.#chat) throw new TextError(`model ${this.id} has no chat template; use text completions instead`);
    const form = await this.#chat.toolArgumentsForm();
    const { text, ids } = await this.#chat.encode({ ...input, messages: withToolArguments(input.messages, form) });
    return { text, ids, startsInThinking: /<think>\s*$/.test(text) };
  }

  encodePrompt(text: string, { special = true }: { special?: boolean } = {}): number[] {
    const { tokenizer } = this.text;
    const ids = tokenizer.encode(text, { special });
    const { addBos, bosId } = tokenizer;
    return addBos && bosId !== null && ids[0] !== bosId ? [bosId, ...ids] : ids;
  }

  encode(text: string, { special = false }: { special?: boolean } = {}): number[] {
    return this.text.tokenizer.encode(text, { special });
  }

  decode(ids: readonly number[]): string {
    return this.text.tokenizer.decode(ids);
  }

  tokenBytes(token: number): Uint8Array {
    if (token >= this.#vocabSize) throw new TextError(`${token} is no token id of this model`);
    return this.text.tokenizer.tokenBytes(token) ?? new Uint8Array();
  }

  /** Ends running answers with an error, waits for them, and frees the backend's memory. */
  async close(): Promise<void> {
    this.#limits.close();
    await this.#loop.idle();
    await this.#stored?.close();
    this.#runner.close();
  }

  /** Compiles a grammar, for as long as the client waits and the limit allows. */
  async #compile(grammar: GrammarSource, limit: TimeLimit, client: AbortSignal | undefined): Promise<TokenConstraint> {
    const compiled = await this.#grammars.get(grammar, AbortSignal.any([limit.signal, ...(client ? [client] : [])]));
    client?.throwIfAborted();
    limit.check();
    return compiled.start();
  }

  /**
   * @param room tokens that fit behind the prompt
   * @returns null when no token is wanted
   */
  #prepare(request: GenerationRequest, room: number, constraint: TokenConstraint | null): Answer | null {
    const { prompt, priority, cacheSalt: salt, ignoreEndTokens = false } = request;
    const sampling = this.#sampling(request);
    const stops = validateStopStrings(request.stop ?? []);
    const maxTokens = Math.min(request.maxTokens ?? this.text.defaults.maxTokens ?? room, room);
    const sampler = createSampler(sampling, prompt, this.#workspace);
    if (maxTokens <= 0) return null;
    return new Answer(new Sequence({ prompt, maxLength: prompt.length + maxTokens, priority, salt }), {
      sampler,
      text: this.text,
      stops,
      maxTokens,
      ignoreEndTokens,
      topLogprobs: request.topLogprobs ?? null,
      constraint,
      vocabSize: this.#vocabSize,
    });
  }

  /** Tokens that fit behind the prompt. @throws ApiError 400 when none does, or the prompt is no prompt */
  #room(prompt: readonly number[]): number {
    if (prompt.length === 0)
      throw new ApiError(400, "the prompt is empty; it needs at least one token", { param: "prompt" });
    for (const token of prompt) {
      if (Number.isInteger(token) && token >= 0 && token < this.#vocabSize) continue;
      throw new ApiError(
        400,
        `the prompt holds ${token}, which is no token id of this model (0 to ${this.#vocabSize - 1})`,
        {
          param: "prompt",
        },
      );
    }
    const room = this.contextSize - prompt.length;
    if (room > 0) return room;
    throw new ApiError(
      400,
      `the prompt has ${prompt.length} tokens, but the context holds ${this.contextSize}, answer included; ` +
        "shorten the prompt or raise --ctx-size",
      { code: "context_length_exceeded", param: "messages" },
    );
  }

  #sampling(request: GenerationRequest): SamplingParams {
    const given = Object.entries(request.sampling ?? {}).filter(([, value]) => value !== undefined);
    const params = validateSampling({ ...this.text.defaults.sampling, ...Object.fromEntries(given) }, this.#vocabSize);
    if (params.dryMultiplier === 0 || request.sampling?.drySequenceBreakers) return params;
    const { tokenizer } = this.text;
    this.#dryBreakers ??= breakerSequences(DRY_BREAKER_STRINGS, {
      size: tokenizer.size,
      textOf: (token) => tokenizer.decode([token]),
      encode: (text) => tokenizer.encode(text),
    });
    return { ...params, drySequenceBreakers: this.#dryBreakers };
  }
}

async function openStore(
  { file }: Checkpoint,
  { program, numerics, cache }: NetworkRunner,
  { openPrefixStore, deterministic = false, created: modified = 0 }: EngineOptions,
): Promise<PrefixStore | null> {
  if (!openPrefixStore) return null;
  const fingerprint = await networkFingerprint(file, { program, numerics, cache, deterministic, modified });
  return openPrefixStore({ fingerprint, pageBytes: cache.pageBytes });
}

function runnerOptions(checkpoint: Checkpoint, backend: Backend, options: RoomOptions): RunnerOptions {
  const { parallel = DEFAULT_PARALLEL, cacheMemory, numerics = "auto", cacheType } = options;
  const least = pagesFor(contextSize(checkpoint, options));
  const pages = (pageBytes: number) =>
    cacheMemory === undefined ? least * parallel : pagesWithin(cacheMemory, pageBytes, least);
  const maxRows = Math.max(backend.describe().preferredRows, 2 * parallel);
  return { pages, maxRows, maxSeqs: parallel, maxLogitRows: parallel, numerics, cacheType };
}

/** Positions that a sequence may have. @throws ConfigError when more is asked for than the model was made for */
export function contextSize({ config }: Checkpoint, { contextSize: wanted }: RoomOptions): number {
  const limit = config.maxPositionEmbeddings;
  if (wanted === undefined) return Math.min(limit, DEFAULT_CONTEXT);
  if (Number.isInteger(wanted) && wanted > 0 && wanted <= limit) return wanted;
  throw new ConfigError("--ctx-size", `want an integer from 1 to ${limit} (the model's own limit), got ${wanted}`);
}

/** @throws ConfigError when a whole answer has no room */
function pagesWithin(bytes: number, pageBytes: number, least: number): number {
  const pages = Math.floor(bytes / pageBytes);
  if (pages >= least) return pages;
  const mebibytes = (value: number) => `${(value / 2 ** 20).toFixed(1)} MiB`;
  throw new ConfigError(
    "--cache-memory",
    `${mebibytes(bytes)}, but one answer of --ctx-size tokens takes ${mebibytes(least * pageBytes)}; ` +
      "raise the one or lower the other",
  );
}

function checkPriority(priority: number | undefined): void {
  if (priority !== undefined && !Number.isSafeInteger(priority))
    throw new ConfigError("priority", `want an integer, got ${priority}`);
}

function emptyAnswer(promptTokens: number): GenerationEvent {
  const counts = { promptTokens, cachedPromptTokens: 0, completionTokens: 0 };
  return { type: "end", reason: "length", text: "", stopString: null, ...counts };
}
