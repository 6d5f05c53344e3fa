import type { AddedToken } from "./spec.ts";

/** A half-open range of UTF-16 offsets. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** A stretch of a text: an added token, or (`token` null) what lies between two of them. */
export interface TextRun {
  readonly token: AddedToken | null;
  readonly text: string;
  /** Where it starts in the whole text. */
  readonly start: number;
}

const SPACE = /\p{White_Space}/u;
const WORD_END = /[\p{L}\p{M}\p{Nd}\p{Pc}]$/u;
const WORD_START = /^[\p{L}\p{M}\p{Nd}\p{Pc}]/u;

interface Node {
  token: AddedToken | null;
  readonly next: Map<number, Node>;
}

/**
 * Finds added tokens in a text: at the leftmost place where one starts, the longest one.
 * Source: Hugging Face tokenizers, AddedVocabulary (leftmost-longest matching, lstrip/rstrip/single_word).
 */
export class AddedTokenMatcher {
  readonly #root: Node = { token: null, next: new Map() };
  /** Matches a character that some token starts with; null without tokens. */
  readonly #first: RegExp | null;

  constructor(tokens: readonly AddedToken[]) {
    for (const token of tokens) {
      if (token.content === "") continue;
      let node = this.#root;
      for (let i = 0; i < token.content.length; i++) {
        const unit = token.content.charCodeAt(i);
        let child = node.next.get(unit);
        if (child === undefined) {
          child = { token: null, next: new Map() };
          node.next.set(unit, child);
        }
        node = child;
      }
      node.token ??= token;
    }
    const units = Array.from(this.#root.next.keys(), (unit) => `\\u${unit.toString(16).padStart(4, "0")}`);
    this.#first = units.length === 0 ? null : new RegExp(`[${units.join("")}]`, "g");
  }

  /**
   * Cuts a text into added tokens and what lies between, in order and without empty runs.
   * @param content ascending, disjoint ranges that no token may overlap
   */
  split(text: string, content: readonly TextRange[]): TextRun[] {
    const runs: TextRun[] = [];
    let done = 0; // everything before is in `runs`
    let from = 0;
    let nextContent = 0;
    for (let start = this.#find(text, from); start >= 0; start = this.#find(text, from)) {
      while ((content[nextContent]?.end ?? Number.POSITIVE_INFINITY) <= start) nextContent++;
      const token = this.#longest(text, start, content[nextContent]?.start ?? text.length);
      if (token === null) {
        from = start + 1;
        continue;
      }
      from = start + token.content.length;
      if (
        token.singleWord &&
        (WORD_END.test(text.slice(Math.max(0, start - 2), start)) || WORD_START.test(text.slice(from, from + 2)))
      )
        continue;
      let begin = start;
      if (token.lstrip) while (begin > done && SPACE.test(text.charAt(begin - 1))) begin--;
      if (token.rstrip) while (from < text.length && SPACE.test(text.charAt(from))) from++;
      if (begin > done) runs.push({ token: null, text: text.slice(done, begin), start: done });
      runs.push({ token, text: text.slice(begin, from), start: begin });
      done = from;
    }
    if (done < text.length) runs.push({ token: null, text: text.slice(done), start: done });
    return runs;
  }

  #find(text: string, from: number): number {
    if (this.#first === null) return -1;
    this.#first.lastIndex = from;
    return this.#first.exec(text)?.index ?? -1;
  }

  #longest(text: string, start: number, limit: number): AddedToken | null {
    let found: AddedToken | null = null;
    let node: Node | undefined = this.#root;
    for (let at = start; at < limit; at++) {
      node = node.next.get(text.charCodeAt(at));
      if (node === undefined) break;
      found = node.token ?? found;
    }
    return found;
  }
}
