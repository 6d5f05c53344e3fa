import { DeepTsError } from "../errors.ts";
import type { TokenConstraint } from "./constraint.ts";
import { EventQueue } from "./event-queue.ts";
import type { EndEvent, GenerationEvent, TokenLogprobs } from "./generation.ts";
import { tokenLogprob, topLogprobs } from "./logprobs.ts";
import type { Sampler } from "./sampling/sampler.ts";
import type { Sequence } from "./sequence.ts";
import { StopMatcher } from "./stop-strings.ts";
import type { ModelText } from "./text.ts";

export interface AnswerOptions {
  readonly sampler: Sampler;
  readonly text: ModelText;
  readonly stops: readonly string[];
  /** At least 1. */
  readonly maxTokens: number;
  readonly ignoreEndTokens: boolean;
  readonly topLogprobs: number | null;
  readonly constraint: TokenConstraint | null;
  readonly vocabSize: number;
}

/** One answer while it is being made: logits go in, tokens and text come out. */
export class Answer {
  readonly sequence: Sequence;
  readonly events = new EventQueue<GenerationEvent>();
  readonly #options: AnswerOptions;
  readonly #detokenizer: ReturnType<ModelText["tokenizer"]["detokenizer"]>;
  readonly #matcher: StopMatcher;
  /** Room for what the constraint allows, with the end tokens. */
  readonly #mask: Uint32Array | undefined;
  #count = 0;

  constructor(sequence: Sequence, options: AnswerOptions) {
    this.sequence = sequence;
    this.#options = options;
    this.#detokenizer = options.text.tokenizer.detokenizer();
    this.#matcher = new StopMatcher(options.stops);
    this.#mask = options.constraint ? new Uint32Array(Math.ceil(options.vocabSize / 32)) : undefined;
  }

  /**
   * Chooses the token behind all so far and tells of it.
   * @param logits [vocabSize] f32
   * @returns whether the answer goes on
   */
  advance(logits: Float32Array): boolean {
    const { sampler, text, maxTokens, ignoreEndTokens, constraint } = this.#options;
    const token = sampler.sample(logits, this.#allowed());
    sampler.accept(token);
    this.#count++;
    const ends = text.endTokens.has(token) && !ignoreEndTokens;
    if (!ends && constraint?.accept(token) === false) {
      throw new DeepTsError("constraint", `token ${token} was among those that may come, and cannot follow`);
    }
    const pushed = this.#matcher.push(ends ? "" : this.#detokenizer.push(token));
    this.events.push({ type: "token", token, text: pushed.text, logprobs: this.#logprobs(logits, token) });
    if (pushed.stop !== null) return this.#end("stop", "", pushed.stop);
    const complete = ends || constraint?.mustEnd === true;
    if (complete || this.#count === maxTokens) {
      const last = this.#matcher.push(this.#detokenizer.end());
      return this.#end(
        complete || last.stop !== null ? "stop" : "length",
        last.text + this.#matcher.flush(),
        last.stop,
      );
    }
    this.sequence.tokens.push(token);
    return true;
  }

  #allowed(): Uint32Array | undefined {
    const { constraint, text, ignoreEndTokens } = this.#options;
    const mask = this.#mask;
    if (!constraint || !mask) return undefined;
    mask.set(constraint.allowed().subarray(0, mask.length));
    for (const token of text.endTokens) {
      if (constraint.canEnd && !ignoreEndTokens) mask[token >> 5]! |= 1 << (token & 31);
      else mask[token >> 5]! &= ~(1 << (token & 31));
    }
    return mask;
  }

  #logprobs(logits: Float32Array, token: number): TokenLogprobs | null {
    const { topLogprobs: count } = this.#options;
    if (count === null) return null;
    return { token, logprob: tokenLogprob(logits, token), top: topLogprobs(logits, count) };
  }

  #end(reason: EndEvent["reason"], text: string, stopString: string | null): false {
    const { promptLength: promptTokens, cachedPromptTokens } = this.sequence;
    const completionTokens = this.#count;
    this.events.push({ type: "end", reason, text, stopString, promptTokens, cachedPromptTokens, completionTokens });
    return false;
  }
}
