import { GrammarError } from "./grammar-error.ts";

/**
 * Elementary steps that compiling one grammar may take: 20 to 80 ms of CPU once `warmUp` ran (bench/grammar.mjs). Steps and not time,
 * so that what is refused does not depend on the machine or its load.
 */
export const MAX_STEPS = 250_000;

/** Counts the work of compiling, so that a small text cannot ask for a lot of it. */
export class Budget {
  readonly #limit: number;
  readonly #signal: AbortSignal | undefined;
  #steps = 0;

  constructor({ limit = MAX_STEPS, signal }: { limit?: number; signal?: AbortSignal } = {}) {
    this.#limit = limit;
    this.#signal = signal;
  }

  /** Steps taken so far. */
  get steps(): number {
    return this.#steps;
  }

  /** @throws GrammarError when more is spent than there is; what `signal` was aborted with */
  spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > this.#limit) {
      throw new GrammarError("", "is too large or too ambiguous to compile; use fewer repetitions and alternatives");
    }
    this.#signal?.throwIfAborted();
  }
}
