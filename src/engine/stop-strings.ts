import { ConfigError } from "../errors.ts";

/** OpenAI allows 4; local tools send more. The work per character grows with the number of stop strings. */
export const MAX_STOP_STRINGS = 32;

/** In UTF-16 code units; also the most text that is ever held back. */
export const MAX_STOP_LENGTH = 256;

/** @throws ConfigError `stop` on a list or string that is too long, an empty string, or half a surrogate pair */
export function validateStopStrings(stops: readonly string[]): readonly string[] {
  if (!Array.isArray(stops)) throw new ConfigError("stop", "want a list of strings");
  if (stops.length > MAX_STOP_STRINGS) {
    throw new ConfigError("stop", `want at most ${MAX_STOP_STRINGS} strings, got ${stops.length}`);
  }
  for (const stop of stops) {
    if (typeof stop !== "string" || stop === "") throw new ConfigError("stop", "want strings that are not empty");
    if (stop.length > MAX_STOP_LENGTH) {
      throw new ConfigError("stop", `want strings of at most ${MAX_STOP_LENGTH} characters, got ${stop.length}`);
    }
    if (/\p{Surrogate}/u.test(stop)) throw new ConfigError("stop", "holds half of a surrogate pair");
  }
  return [...stops];
}

export interface StopPush {
  /** Text that is now certain to lie before any stop string. */
  readonly text: string;
  /** The stop string that is complete, or null. */
  readonly stop: string | null;
  /** What followed the stop string in this piece. */
  readonly rest: string;
}

/**
 * Finds the first of several strings in text that arrives in pieces, and lets no part of it through.
 *
 * First means: complete at the earliest character, and of those the longest; so the answer does not depend on where the
 * pieces end. Text is held back only while it may still become a stop string. Time is linear in the text
 * (Knuth-Morris-Pratt for each string).
 */
export class StopMatcher {
  private readonly patterns: readonly Pattern[];
  /** How much of each pattern the text so far ends with. */
  private readonly matched: number[];
  private held = "";
  private done = false;

  /** @param stops not empty strings; longest matches need no order */
  constructor(stops: readonly string[]) {
    this.patterns = stops.map((text) => ({ text, border: borders(text) }));
    this.matched = stops.map(() => 0);
  }

  /** Takes the next piece. After a match, everything further is `rest`. */
  push(piece: string): StopPush {
    if (this.done) return { text: "", stop: null, rest: piece };
    for (let i = 0; i < piece.length; i++) {
      const stop = this.step(piece[i]!);
      if (stop === null) continue;
      this.done = true;
      const seen = this.held + piece.slice(0, i + 1);
      this.held = "";
      return { text: seen.slice(0, seen.length - stop.length), stop, rest: piece.slice(i + 1) };
    }
    const seen = this.held + piece;
    const safe = seen.length - Math.max(0, ...this.matched);
    this.held = seen.slice(safe);
    return { text: seen.slice(0, safe), stop: null, rest: "" };
  }

  /** The text has ended: gives what was held back, which is no stop string after all. */
  flush(): string {
    const text = this.held;
    this.held = "";
    this.matched.fill(0);
    return text;
  }

  /** As `flush`, in the form of `push`. */
  end(): StopPush {
    return { text: this.flush(), stop: null, rest: "" };
  }

  /** Advances every pattern by one character; the longest pattern that is now complete, or null. */
  private step(character: string): string | null {
    let complete: string | null = null;
    for (let p = 0; p < this.patterns.length; p++) {
      const { text, border } = this.patterns[p]!;
      let length = this.matched[p]!;
      while (length > 0 && text[length] !== character) length = border[length - 1]!;
      if (text[length] === character) length++;
      this.matched[p] = length;
      if (length === text.length && text.length > (complete?.length ?? 0)) complete = text;
    }
    return complete;
  }
}

interface Pattern {
  readonly text: string;
  readonly border: readonly number[];
}

/** For each prefix: the length of its longest proper prefix that is also its suffix. */
function borders(text: string): number[] {
  const border = [0];
  for (let i = 1, length = 0; i < text.length; i++) {
    while (length > 0 && text[i] !== text[length]) length = border[length - 1]!;
    if (text[i] === text[length]) length++;
    border.push(length);
  }
  return border;
}
