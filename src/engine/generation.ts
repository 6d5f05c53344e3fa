import type { GrammarSource } from "../grammar/compile-grammar.ts";
import type { TokenConstraint } from "./constraint.ts";
import type { Pooling } from "./pooling.ts";
import type { StoreActivity } from "./prefix-store.ts";
import type { SamplingInput } from "./sampling/params.ts";

/** What one answer is asked to be. */
export interface GenerationRequest {
  /** Token ids, BOS included where the model wants one. */
  readonly prompt: readonly number[];
  /** At most this many new tokens; null: until the context is full. */
  readonly maxTokens: number | null;
  /** Unset fields take the model's own defaults (generation_config.json), then the engine's. */
  readonly sampling?: SamplingInput;
  /** Texts that end the answer; they are not part of it. */
  readonly stop?: readonly string[];
  /** Go on over the model's end tokens. Default false. */
  readonly ignoreEndTokens?: boolean;
  /** Log-probabilities of each token and of this many alternatives (0-20); null: none. Default null. */
  readonly topLogprobs?: number | null;
  /** Answers of higher priority go first, and may interrupt those of lower ones. An integer; default 0. */
  readonly priority?: number;
  /** The answer must be complete by then, waiting included, in milliseconds from now. Default: no limit. */
  readonly timeoutMs?: number;
  /** Only requests of the same salt share what they have read, so that no one can find out by time what others asked. Default empty. */
  readonly cacheSalt?: string;
  /** What the answer must be; compiled before the answer waits for its turn. Default anything. */
  readonly grammar?: GrammarSource | null;
  /** The answer's text follows it; for this answer alone, in place of a grammar. Default none. */
  readonly constraint?: TokenConstraint;
}

/** What `generate` yields: any number of tokens, then one end. */
export type GenerationEvent = TokenEvent | EndEvent;

export interface TokenEvent {
  readonly type: "token";
  readonly token: number;
  /**
   * Text released by this step. May be empty (half a character, the possible start of a stop string) and may hold text
   * of earlier tokens.
   */
  readonly text: string;
  readonly logprobs: TokenLogprobs | null;
}

export interface EndEvent {
  readonly type: "end";
  /** stop: an end token or a stop string. length: maxTokens or the context is used up. */
  readonly reason: "stop" | "length";
  /** Text that was held back and is released at the end. */
  readonly text: string;
  /** The stop string that ended the answer, if one did. */
  readonly stopString: string | null;
  readonly promptTokens: number;
  /** Those of the prompt that had been read already, for this or another request. */
  readonly cachedPromptTokens: number;
  /** Tokens sampled, the end token included. */
  readonly completionTokens: number;
}

export interface TokenLogprobs {
  readonly token: number;
  readonly logprob: number;
  /** Most likely first. */
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

/** A conversation to be rendered by the model's chat template; field names are the templates' own (OpenAI's). */
export interface ChatInput {
  readonly messages: readonly Readonly<Record<string, unknown>>[];
  readonly tools?: readonly unknown[] | null;
  /** Ask for a reasoning block, or for none; unset: what the template does by itself. */
  readonly thinking?: boolean;
  /** Further variables of the template (`chat_template_kwargs`). */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** End with the opening of the assistant's turn. Default true. */
  readonly addGenerationPrompt?: boolean;
}

export interface RenderedChat {
  readonly text: string;
  readonly ids: readonly number[];
  /** The prompt ends inside an open <think>: what comes first is reasoning. */
  readonly startsInThinking: boolean;
}

/** What a model does now. */
export interface ModelActivity {
  /** Answers being made. */
  readonly running: number;
  readonly waiting: number;
  /** Of the cache: those that can be had, and those that hold a beginning which a prompt may have again. */
  readonly pages: { readonly total: number; readonly available: number; readonly indexed: number };
  /** Pages that had to give up such a beginning for something new, since the model was loaded. */
  readonly evictions: number;
  /** Null where nothing outlives the process. */
  readonly stored: StoreActivity | null;
}

/** What a server or a CLI command needs of a loaded model. Engine implements it; tests script it. */
export interface ServedModel {
  /** Name in answers and in /v1/models. */
  readonly id: string;
  /** One sentence for people, e.g. that this is a demonstration model. */
  readonly description: string;
  /** Unix seconds: modification time of the weights. */
  readonly created: number;
  /** Positions a sequence may have: prompt and answer together. */
  readonly contextSize: number;
  /** Left out where nobody can tell. */
  readonly activity?: ModelActivity;
  /**
   * @throws ApiError 400 context_length_exceeded when the prompt leaves no room; both counts are in the message
   * @throws ApiError 503 when the queue is full, 504 when the request's time is up
   * @throws GrammarError, an ApiError 400, for a grammar that is wrong or beyond the limits
   * An abort of `signal` ends the iteration with the signal's reason and frees the cache at once.
   */
  generate(request: GenerationRequest, options?: { signal?: AbortSignal }): AsyncIterable<GenerationEvent>;
  /**
   * Refuses a grammar that would be refused later: before a prompt is made, which may take longer.
   * @throws GrammarError as `generate`
   */
  checkGrammar(source: GrammarSource): void;
  /**
   * One vector for a text, of length 1 and the model's hidden size: the states after the last norm, pooled.
   * @throws ApiError as `generate`
   */
  embed(prompt: readonly number[], pooling: Pooling, options?: { signal?: AbortSignal }): Promise<Float32Array>;
  /** @throws TextError when the template refuses the messages or the model has none */
  renderChat(input: ChatInput): Promise<RenderedChat>;
  /** Plain text to ids as a prompt: BOS first where the model wants one; special tokens in it are parsed unless told not to. */
  encodePrompt(text: string, options?: { special?: boolean }): number[];
  /** Text to ids without BOS. Special tokens in it are parsed only with `special: true` (default false: plain text). */
  encode(text: string, options?: { special?: boolean }): number[];
  /** Ids to text, special tokens written out; bytes that are no UTF-8 become U+FFFD. @throws TextError for no token id */
  decode(ids: readonly number[]): string;
  /** The bytes of one token, for logprobs. @throws TextError for no token id */
  tokenBytes(token: number): Uint8Array;
}
