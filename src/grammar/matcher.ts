import { FIRST_TOKEN_SYMBOL } from "./nfa.ts";
import type { Configuration, StackAutomaton } from "./stacks.ts";
import type { TokenMasks } from "./token-masks.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Follows one answer through a grammar, token by token. It knows text only: end tokens are the engine's. */
export class GrammarMatcher {
  readonly #stacks: StackAutomaton;
  readonly #masks: TokenMasks;
  readonly #vocabulary: Vocabulary;
  #at: Configuration;

  constructor(stacks: StackAutomaton, masks: TokenMasks, vocabulary: Vocabulary, at: Configuration = stacks.start) {
    this.#stacks = stacks;
    this.#masks = masks;
    this.#vocabulary = vocabulary;
    this.#at = at;
  }

  /**
   * Bit t (bit t & 31 of word t >> 5) is set for each token that may come next. Not to be written to.
   * @throws GrammarError when too many meanings of the text stay open
   */
  allowed(): Uint32Array {
    return this.#masks.mask(this.#at);
  }

  /**
   * Takes the token that came.
   * @returns false, and stays where it was, when it cannot follow
   * @throws GrammarError as `allowed`
   */
  accept(token: number): boolean {
    const at = this.#after(token);
    if (at === null) return false;
    this.#at = at;
    return true;
  }

  /** Whether a token may come next: the one bit of `allowed`. @throws GrammarError as `allowed` */
  takes(token: number): boolean {
    return this.#after(token) !== null;
  }

  #after(token: number): Configuration | null {
    const { tokens, classOf } = this.#stacks.automaton;
    const named = tokens.indexOf(token);
    const bytes = named >= 0 ? null : this.#vocabulary.bytes(token);
    let at: Configuration | null = this.#at;
    if (named >= 0) at = this.#stacks.step(at, classOf[FIRST_TOKEN_SYMBOL + named]!);
    else if (bytes === null) return null;
    else for (let i = 0; i < bytes.length && at !== null; i++) at = this.#stacks.step(at, classOf[bytes[i]!]!);
    return at;
  }

  /** Whether the text may end here. */
  get canEnd(): boolean {
    return this.#at.canEnd;
  }

  /** Whether nothing may follow. */
  get mustEnd(): boolean {
    return this.#at.tops.length === 0;
  }

  /** Another one in the same state. */
  clone(): GrammarMatcher {
    return new GrammarMatcher(this.#stacks, this.#masks, this.#vocabulary, this.#at);
  }
}
