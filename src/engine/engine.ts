import { ApiError, ConfigError, TextError } from "../errors.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import type { Backend, Batch, MemoryUse } from "../tensor/backend.ts";
import { ROW_GENERATED, ROW_PROMPT } from "../tensor/backend.ts";
import type { RenderTemplate } from "../tokenizer/chat-template.ts";
import { ChatRenderer, withToolArguments } from "../tokenizer/chat-template.ts";
import { pagesFor } from "./evaluate.ts";
import type {
  ChatInput,
  GenerationEvent,
  GenerationRequest,
  RenderedChat,
  ServedModel,
  TokenLogprobs,
} from "./generation.ts";
import { tokenLogprob, topLogprobs } from "./logprobs.ts";
import type { Prediction, RunnerOptions } from "./network-runner.ts";
import { NetworkRunner } from "./network-runner.ts";
import { PagePool } from "./page-pool.ts";
import { Candidates } from "./sampling/candidates.ts";
import { breakerSequences, DRY_BREAKER_STRINGS } from "./sampling/dry-breakers.ts";
import type { SamplingParams } from "./sampling/params.ts";
import { validateSampling } from "./sampling/params.ts";
import type { Sampler } from "./sampling/sampler.ts";
import { createSampler } from "./sampling/sampler.ts";
import { StopMatcher, validateStopStrings } from "./stop-strings.ts";
import type { ModelText } from "./text.ts";

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
  /** The cache holds this many sequences of full length at once. Default 4. */
  readonly parallel?: number;
  /** Requests that may wait for room in the cache; a further one is refused. Default 64. */
  readonly maxWaiting?: number;
  /** Renders chat templates; the engine does not own it. */
  readonly renderTemplate: RenderTemplate;
  readonly onProgress?: RunnerOptions["onProgress"];
  readonly signal?: AbortSignal;
}

/** What decides over the memory of a model. */
export type RoomOptions = Pick<EngineOptions, "numerics" | "cacheType" | "contextSize" | "parallel">;

const DEFAULT_CONTEXT = 8192;
const DEFAULT_PARALLEL = 4;

/**
 * A loaded model that answers: prompts in, tokens out. Answers run side by side: each takes its steps in turn on the
 * one Executable, so a long answer does not hold up a short one.
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
  readonly #pool: PagePool;
  readonly #chat: ChatRenderer | null;
  readonly #vocabSize: number;
  readonly #workspace: Candidates;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** The last step that was asked for. */
  #turn: Promise<unknown> = Promise.resolve();
  #dryBreakers: number[][] | null = null;

  private constructor(
    checkpoint: Checkpoint,
    text: ModelText,
    runner: NetworkRunner,
    pool: PagePool,
    options: EngineOptions,
  ) {
    this.id = options.id;
    this.description = options.description ?? "";
    this.created = options.created ?? 0;
    this.contextSize = contextSize(checkpoint, options);
    this.text = text;
    this.memory = runner.memory;
    this.#runner = runner;
    this.#pool = pool;
    this.#vocabSize = checkpoint.config.vocabSize;
    this.#workspace = new Candidates(checkpoint.config.vocabSize);
    const { chatTemplate, bosToken, eosToken, tokenizer } = text;
    const template = chatTemplate === null ? null : { source: chatTemplate, bosToken, eosToken };
    this.#chat = template && new ChatRenderer(template, tokenizer, options.renderTemplate);
  }

  /**
   * Loads the weights into the backend. The engine does not own checkpoint or backend; both must outlive it.
   * @throws FormatError, ShapeError, UnsupportedOpError
   */
  static async load(
    checkpoint: Checkpoint,
    text: ModelText,
    backend: Backend,
    options: EngineOptions,
  ): Promise<Engine> {
    const { onProgress, signal } = options;
    const wanted = { ...runnerOptions(checkpoint, options), onProgress, signal };
    const runner = await NetworkRunner.load(checkpoint, backend, wanted);
    return new Engine(checkpoint, text, runner, new PagePool(wanted.pages, options.maxWaiting ?? 64), options);
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
    const prediction = await NetworkRunner.predict(checkpoint, backend, runnerOptions(checkpoint, options));
    const { parallel = DEFAULT_PARALLEL } = options;
    return prediction && { ...prediction, contextSize: contextSize(checkpoint, options), parallel };
  }

  /** Answers running or waiting. */
  get activity(): { running: number; waiting: number } {
    return { running: this.#running.size - this.#pool.waiting, waiting: this.#pool.waiting };
  }

  async *generate(
    request: GenerationRequest,
    { signal }: { signal?: AbortSignal } = {},
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    const { prompt } = request;
    const room = this.#room(prompt);
    const sampling = this.#sampling(request);
    const stops = validateStopStrings(request.stop ?? []);
    const maxTokens = Math.min(request.maxTokens ?? this.text.defaults.maxTokens ?? room, room);
    const stop = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#running.add(ended);
    let pages: Int32Array | null = null;
    try {
      pages = await this.#pool.acquire(pagesFor(prompt.length + maxTokens), stop);
      const sampler = createSampler(sampling, prompt, this.#workspace);
      yield* this.#answer(request, { sampler, stops, maxTokens, pages, signal: stop });
    } finally {
      if (pages) this.#pool.release(pages);
      this.#running.delete(ended);
      end();
    }
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

  tokenBytes(token: number): Uint8Array {
    return this.text.tokenizer.tokenBytes(token) ?? new Uint8Array();
  }

  /** Ends running answers with an error, waits for them, and frees the backend's memory. */
  async close(): Promise<void> {
    this.#closing.abort(new ApiError(503, "the server is shutting down", { code: "shutting_down" }));
    await Promise.all(this.#running);
    this.#runner.close();
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

  async *#answer(
    request: GenerationRequest,
    run: { sampler: Sampler; stops: readonly string[]; maxTokens: number; pages: Int32Array; signal: AbortSignal },
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    const { sampler, maxTokens, pages, signal } = run;
    const detokenizer = this.text.tokenizer.detokenizer();
    const matcher = new StopMatcher(run.stops);
    const end = (reason: "stop" | "length", text: string, stopString: string | null, completionTokens: number) =>
      ({ type: "end", reason, text, stopString, promptTokens: request.prompt.length, completionTokens }) as const;

    let logits = maxTokens > 0 ? await this.#prefill(request.prompt, pages, signal) : null;
    for (let count = 1; logits !== null; count++) {
      const { token } = sampler.sample(logits);
      sampler.accept(token);
      const ends = this.text.endTokens.has(token) && !request.ignoreEndTokens;
      const pushed = matcher.push(ends ? "" : detokenizer.push(token));
      const logprobs = logprobsOf(logits, token, request.topLogprobs ?? null);
      yield { type: "token", token, text: pushed.text, logprobs };
      if (pushed.stop !== null) return yield end("stop", "", pushed.stop, count);
      if (ends || count === maxTokens) {
        const last = matcher.push(detokenizer.end());
        const stopped = ends || last.stop !== null;
        return yield end(stopped ? "stop" : "length", last.text + matcher.flush(), last.stop, count);
      }
      logits = await this.#step([token], request.prompt.length + count - 1, ROW_GENERATED, pages, true, signal);
    }
    yield end("length", "", null, 0);
  }

  /** Reads the prompt in chunks. @returns the logits after its last token */
  async #prefill(prompt: readonly number[], pages: Int32Array, signal: AbortSignal): Promise<Float32Array | null> {
    let logits: Float32Array | null = null;
    for (let start = 0; start < prompt.length; start += this.#runner.maxRows) {
      const chunk = prompt.slice(start, start + this.#runner.maxRows);
      const last = start + chunk.length === prompt.length;
      logits = await this.#step(chunk, start, ROW_PROMPT, pages, last, signal);
    }
    return logits;
  }

  /** Runs consecutive tokens of one sequence. @returns logits after the last one, when wanted */
  async #step(
    tokens: readonly number[],
    start: number,
    kind: number,
    pages: Int32Array,
    wantLogits: boolean,
    signal: AbortSignal,
  ): Promise<Float32Array | null> {
    const rows = tokens.length;
    const batch: Batch = {
      tokens: Int32Array.from(tokens),
      positions: Int32Array.from({ length: rows }, (_, i) => start + i),
      sequences: new Int32Array(rows),
      kinds: new Uint8Array(rows).fill(kind),
      blockTables: [pages],
      logitRows: wantLogits ? Int32Array.of(rows - 1) : new Int32Array(),
    };
    const logits = await this.#exclusive(async () => {
      signal.throwIfAborted();
      const outputs = await this.#runner.run(batch);
      return wantLogits ? ((await outputs.logits!.read()) as Float32Array) : null;
    });
    signal.throwIfAborted();
    return logits;
  }

  /** Steps of all answers take turns, in order of arrival: outputs are only valid until the next run. */
  #exclusive<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(step);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** One row's logits a step: it is the last of a prompt, or the only one. */
function runnerOptions(checkpoint: Checkpoint, options: RoomOptions) {
  const { numerics = "auto", cacheType, parallel = DEFAULT_PARALLEL } = options;
  return { pages: pagesFor(contextSize(checkpoint, options)) * parallel, maxLogitRows: 1, numerics, cacheType };
}

/** @throws ConfigError when more is asked for than the model was made for */
function contextSize({ config }: Checkpoint, { contextSize: wanted }: RoomOptions): number {
  const limit = config.maxPositionEmbeddings;
  if (wanted === undefined) return Math.min(limit, DEFAULT_CONTEXT);
  if (Number.isInteger(wanted) && wanted > 0 && wanted <= limit) return wanted;
  throw new ConfigError("--ctx-size", `want an integer from 1 to ${limit} (the model's own limit), got ${wanted}`);
}

function logprobsOf(logits: Float32Array, token: number, count: number | null): TokenLogprobs | null {
  if (count === null) return null;
  return { token, logprob: tokenLogprob(logits, token), top: topLogprobs(logits, count) };
}
