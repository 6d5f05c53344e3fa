import { TextError } from "../errors.ts";
import type { TextRange } from "./added-tokens.ts";
import type { AddedToken } from "./spec.ts";

const MAX_DEPTH = 100;
const NONCE_DIGITS = 24;
const COMPARED_KEYS = ["role", "type"];

/** @param compared whether templates compare the text with words of theirs: then the middle of a token is no literal */
type FindProtected = (text: string, trusted: readonly string[], compared: boolean) => number[];

interface Node {
  /** A token ends here. */
  end: boolean;
  readonly next: Map<number, Node>;
}

/**
 * Keeps text in messages from becoming added tokens. A template mixes its own special tokens with the messages' text in
 * one string; so before rendering, a random mark goes into every piece of text that reads like an added token, and after
 * rendering the marks come out again and leave the offsets behind that must stay content.
 *
 * A mark stands before the character it protects, inside the literal, so that the template does not see the literal
 * either (`'</think>' in content`). Literals that only arise where content meets template text ("</think" and ">") are
 * covered: beginnings of tokens at the end of a text, endings at its start and texts that are the middle of a token are
 * marked as well. (Texts under the keys `role` and `type` are not marked as middles: templates compare these, and
 * some build tokens of the role.)
 */
export class SpecialLiterals {
  readonly #tokens = trie();
  /** Proper endings of tokens. */
  readonly #endings = trie();
  /** Matches a character that some token starts with; null without tokens. */
  readonly #first: RegExp | null;

  /** @param tokens those of the vocabulary; ordinary text among them (single letters, white space) stays ordinary */
  constructor(tokens: readonly AddedToken[]) {
    const literals = tokens.filter((token) => !isOrdinaryText(token)).map((token) => token.content);
    for (const literal of literals) {
      insert(this.#tokens, literal, 0);
      for (let start = 1; start < literal.length; start++) insert(this.#endings, literal, start);
    }
    const units = Array.from(this.#tokens.next.keys(), (unit) => `\\u${unit.toString(16).padStart(4, "0")}`);
    this.#first = units.length === 0 ? null : new RegExp(`[${units.join("")}]`, "g");
  }

  /** Marks for one rendering, with a mark of their own that no message can know. */
  newMarks(): LiteralMarks {
    return new LiteralMarks((text, trusted, compared) => this.#protectedIn(text, trusted, compared));
  }

  /** Ascending offsets of the characters that need a mark before them. */
  #protectedIn(text: string, trusted: readonly string[], compared: boolean): number[] {
    const offsets: number[] = [];
    if (this.#first === null || text === "") return offsets;
    if (startsInside(this.#endings, text, !compared)) offsets.push(0);
    this.#first.lastIndex = 0;
    for (let match = this.#first.exec(text); match !== null; match = this.#first.exec(text)) {
      const start = match.index;
      if ((offsets.at(-1) ?? -1) >= start) continue; // lies in this literal too
      const end = this.#literalEnd(text, start, trusted);
      if (end !== null) offsets.push(inside(text, start, end));
    }
    return offsets;
  }

  /** Where the shortest token that starts here ends, be it by the end of the text; null where none starts. */
  #literalEnd(text: string, start: number, trusted: readonly string[]): number | null {
    let node: Node | undefined = this.#tokens;
    for (let at = start; at < text.length; at++) {
      node = node.next.get(text.charCodeAt(at));
      if (node === undefined) return null;
      if (node.end && !trusted.includes(text.slice(start, at + 1))) return at + 1;
    }
    return node.next.size > 0 ? text.length : null;
  }
}

/** The marks of one rendering. */
export class LiteralMarks {
  // Digits between tildes: `upper`, `trim`, `tojson` and their like leave them alone.
  readonly #mark = `~${crypto
    .getRandomValues(new Uint8Array(NONCE_DIGITS))
    .map((byte) => byte % 10)
    .join("")}~`;
  readonly #protectedIn: FindProtected;

  constructor(protectedIn: FindProtected) {
    this.#protectedIn = protectedIn;
  }

  /**
   * A copy of a JSON value with marks in all its strings and keys.
   * @param trusted literals in strings that are left as they are (default none)
   * @param compared true for values that templates compare with words of theirs (default false)
   * @throws TextError for a value nested more than 100 deep
   */
  add<T>(value: T, { trusted = [], compared = false }: { trusted?: readonly string[]; compared?: boolean } = {}): T {
    const walk = (value: unknown, isCompared: boolean, depth: number): unknown => {
      if (depth > MAX_DEPTH) throw new TextError(`messages and tools nested more than ${MAX_DEPTH} deep`);
      if (typeof value === "string") return this.#addTo(value, trusted, isCompared);
      if (typeof value !== "object" || value === null) return value;
      if (Array.isArray(value)) return value.map((item) => walk(item, isCompared, depth + 1));
      const entries = Object.entries(value).map(([key, item]) => {
        const marked = this.#addTo(key, [], true);
        return [marked, walk(item, isCompared || COMPARED_KEYS.includes(key), depth + 1)] as const;
      });
      return Object.fromEntries(entries);
    };
    return walk(value, compared, 0) as T;
  }

  #addTo(text: string, trusted: readonly string[], compared: boolean): string {
    let marked = "";
    let done = 0;
    for (const offset of this.#protectedIn(text, trusted, compared)) {
      marked += text.slice(done, offset) + this.#mark;
      done = offset;
    }
    return marked + text.slice(done);
  }

  /** Takes the marks out of a rendered text. `content`: the protected characters, as Tokenizer.encode wants them. */
  remove(marked: string): { text: string; content: TextRange[] } {
    const parts = marked.split(this.#mark);
    const content: TextRange[] = [];
    let at = 0;
    for (const part of parts.slice(0, -1)) {
      at += part.length;
      if (content.at(-1)?.start !== at) content.push({ start: at, end: at + 1 });
    }
    return { text: parts.join(""), content };
  }
}

/** Some vocabularies list letters or runs of spaces as added tokens (deepseek-llm: "ü"); they are no markers. */
function isOrdinaryText(token: AddedToken): boolean {
  return !token.special && /^(?:.|\p{White_Space}+)$/su.test(token.content);
}

/** The character of text[start..end) to put the mark before: the second one, unless a template might strip it. */
function inside(text: string, start: number, end: number): number {
  const second = start + (text.codePointAt(start)! > 0xffff ? 2 : 1);
  return second < end && !/\p{White_Space}/u.test(text.charAt(second)) ? second : start;
}

function trie(): Node {
  return { end: false, next: new Map() };
}

function insert(root: Node, text: string, start: number): void {
  let node = root;
  for (let i = start; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    let child = node.next.get(unit);
    if (child === undefined) {
      child = trie();
      node.next.set(unit, child);
    }
    node = child;
  }
  node.end = true;
}

/** Whether the text starts with an entry; with `orEnds` also whether it is the start of one. */
function startsInside(root: Node, text: string, orEnds: boolean): boolean {
  let node: Node | undefined = root;
  for (let i = 0; i < text.length; i++) {
    node = node.next.get(text.charCodeAt(i));
    if (node === undefined) return false;
    if (node.end) return true;
  }
  return orEnds;
}
