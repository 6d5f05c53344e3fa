import { ROW_GENERATED, ROW_PROMPT } from "../tensor/backend.ts";

export interface SequenceOptions {
  /** Not empty. */
  readonly prompt: readonly number[];
  /** Tokens that prompt and answer may have together. */
  readonly maxLength: number;
  /** Higher goes first. Default 0. */
  readonly priority?: number;
  /** Pages are shared only among sequences of the same salt; null: with none. Default empty. */
  readonly salt?: string | null;
}

/** The tokens of one answer on their way through the network: what they are, how far they are computed, where that lies. */
export class Sequence {
  /** The prompt, then what was sampled. */
  readonly tokens: number[];
  readonly promptLength: number;
  readonly maxLength: number;
  readonly priority: number;
  readonly salt: string | null;
  /** Its beginning is being looked for elsewhere: until that has ended it is not let in. */
  restoring = false;
  /** Order of arrival, given by the scheduler. */
  arrival = 0;
  /** Tokens whose cache entries are written, or will be by the step that is planned. */
  numComputed = 0;
  /** Pages of the cache, in order; they hold at least numComputed tokens. */
  readonly pages: number[] = [];
  /** Prompt tokens that were found in the cache rather than computed. */
  cachedPromptTokens = 0;
  /** How far the prompt ever was: what is computed again after a pre-emption does not count again. */
  #reached = 0;

  constructor({ prompt, maxLength, priority = 0, salt = "" }: SequenceOptions) {
    this.tokens = [...prompt];
    this.promptLength = prompt.length;
    this.maxLength = maxLength;
    this.priority = priority;
    this.salt = salt;
  }

  /** Tokens still to be computed; one where it waits for its next token alone. */
  get remaining(): number {
    return this.tokens.length - this.numComputed;
  }

  /** Whether the first `count` tokens of both are the same. */
  beginsLike({ tokens }: Sequence, count: number): boolean {
    // From the end: texts with a common beginning differ there, if they do.
    for (let i = count - 1; i >= 0; i--) if (tokens[i] !== this.tokens[i]) return false;
    return true;
  }

  /** The kind of row of a token: it stays for good, whatever step computes it, for the form of attention depends on it. */
  kindOf(position: number): number {
    return position < this.promptLength ? ROW_PROMPT : ROW_GENERATED;
  }

  /** Tokens up to `end` are in the cache now, computed or found there. */
  advance(end: number, found: boolean): void {
    const prompt = Math.min(end, this.promptLength);
    if (found && prompt > this.#reached) this.cachedPromptTokens += prompt - this.#reached;
    this.#reached = Math.max(this.#reached, prompt);
    this.numComputed = end;
  }
}
