import type { Candidates } from "./candidates.ts";

export interface DryOptions {
  readonly multiplier: number;
  readonly base: number;
  readonly allowedLength: number;
  /** Tokens looked at, counted from the end; -1 all. */
  readonly lastN: number;
  readonly breakers: readonly (readonly number[])[];
}

/** Large enough to exclude a token, small enough to leave differences between several such tokens finite. */
const MAX_PENALTY = 1e30;

/**
 * DRY: penalises tokens that would extend a repetition of what was said before.
 *
 * For each earlier place whose preceding n tokens equal the last n tokens of the history (n as large as possible), the
 * token at that place loses multiplier * base^(n - allowedLength) when n >= allowedLength; the largest n counts. A
 * repetition does not reach across a sequence breaker, and a breaker is never penalised.
 * Source: p-e-w, oobabooga/text-generation-webui#5677. The n are the Z-function of the reversed history: linear time,
 * where comparing place by place is quadratic on a text that repeats one token.
 */
export class DryPenalty {
  private readonly options: DryOptions;
  private readonly breakerTokens: ReadonlySet<number>;
  private readonly breakerSequences: readonly (readonly number[])[];
  private z = new Int32Array(256);

  constructor(options: DryOptions) {
    this.options = options;
    this.breakerTokens = new Set(options.breakers.filter((s) => s.length === 1).map((s) => s[0]!));
    this.breakerSequences = options.breakers.filter((s) => s.length > 1);
  }

  /** Must run before any removal. */
  apply(c: Candidates, history: readonly number[]): void {
    const { multiplier, base, allowedLength } = this.options;
    for (const [token, length] of this.repetitions(history)) {
      c.logits[token]! -= Math.min(multiplier * base ** (length - allowedLength), MAX_PENALTY);
    }
  }

  /** For each token that would extend a repetition of at least allowedLength tokens: the length of the longest one. */
  repetitions(history: readonly number[]): Map<number, number> {
    const found = new Map<number, number>();
    const end = history.length;
    const window = this.options.lastN < 0 ? end : Math.min(end, this.options.lastN);
    const longest = this.tokensSinceBreaker(history, window);
    if (longest < this.options.allowedLength) return found;
    const z = this.reversedZ(history, window);
    for (let back = 1; back < window; back++) {
      const length = Math.min(z[back]!, longest);
      if (length < this.options.allowedLength) continue;
      const next = history[end - back]!;
      if (!this.breakerTokens.has(next) && length > (found.get(next) ?? 0)) found.set(next, length);
    }
    return found;
  }

  /** How many tokens at the end of the history hold no breaker, up to `window`. */
  private tokensSinceBreaker(history: readonly number[], window: number): number {
    for (let length = 0; length < window; length++) {
      const at = history.length - 1 - length;
      if (this.breakerTokens.has(history[at]!)) return length;
      for (const sequence of this.breakerSequences) if (endsAt(history, at, sequence)) return length;
    }
    return window;
  }

  /** z[back] = how many tokens before the place `back` tokens from the end equal the last tokens of the history. */
  private reversedZ(history: readonly number[], window: number): Int32Array {
    if (this.z.length < window) this.z = new Int32Array(2 * window);
    const z = this.z;
    const last = history.length - 1;
    let left = 0;
    let right = 0; // [left, right) is the match that reaches furthest back
    for (let i = 1; i < window; i++) {
      let length = i < right ? Math.min(right - i, z[i - left]!) : 0;
      while (i + length < window && history[last - length] === history[last - i - length]) length++;
      if (i + length > right) {
        left = i;
        right = i + length;
      }
      z[i] = length;
    }
    return z;
  }
}

function endsAt(history: readonly number[], at: number, sequence: readonly number[]): boolean {
  const start = at - sequence.length + 1;
  return start >= 0 && sequence.every((token, i) => history[start + i] === token);
}
