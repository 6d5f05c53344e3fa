import { TextError } from "../errors.ts";
import { AddedTokenMatcher, type TextRange, type TextRun } from "./added-tokens.ts";
import { PieceEncoder } from "./bpe.ts";
import { unspell } from "./byte-alphabet.ts";
import { Detokenizer } from "./detokenizer.ts";
import { compileNormalizer } from "./normalizer.ts";
import { compilePreTokenizer } from "./pre-tokenizer.ts";
import type { AddedToken, TokenizerSpec } from "./spec.ts";

export interface EncodeOptions {
  /** True: added tokens written in the text become their ids. False (default): all of it is plain text. */
  special?: boolean;
  /**
   * With `special`: ascending, disjoint ranges of UTF-16 offsets that are content, so that no added token may overlap
   * them. The chat template code marks literals in messages so.
   */
  content?: readonly TextRange[];
}

/** Part of a prompt: `special` says whether added tokens written in it are recognised. */
export interface Segment {
  readonly text: string;
  readonly special: boolean;
}

/**
 * Text to token ids and back, by a TokenizerSpec: of `specFromTokenizerJson`, `specFromGguf` or `specFromTiktoken`
 * (`loadTokenizer` does it for a directory). Immutable but for a bounded cache of words.
 */
export class Tokenizer {
  /** Highest id + 1. The model's vocabulary may be larger (padding). */
  readonly size: number;
  readonly bosId: number | null;
  readonly eosId: number | null;
  /** Whether a raw prompt starts with BOS. A chat template writes its BOS itself: never add one to its output. */
  readonly addBos: boolean;
  readonly addedTokens: readonly AddedToken[];

  /** By id, as in the spec. */
  readonly #tokens: readonly (string | null)[];
  readonly #addedById: Map<number, AddedToken>;
  readonly #idOfAdded: Map<string, number>;
  readonly #raw: AddedTokenMatcher;
  readonly #normalized: AddedTokenMatcher;
  readonly #normalize: (text: string) => string;
  readonly #split: (text: string) => string[];
  readonly #pieces: PieceEncoder;

  /** @throws ConfigError when the parts of the spec contradict each other */
  constructor(spec: TokenizerSpec) {
    this.bosId = spec.bosId;
    this.eosId = spec.eosId;
    this.addBos = spec.addBos;
    this.addedTokens = spec.addedTokens;
    this.#normalize = compileNormalizer(spec);
    this.#split = compilePreTokenizer(spec);
    this.#pieces = new PieceEncoder(spec);
    this.#raw = new AddedTokenMatcher(spec.addedTokens.filter((t) => !t.normalized));
    this.#normalized = new AddedTokenMatcher(
      spec.addedTokens.filter((t) => t.normalized).map((t) => ({ ...t, content: this.#normalize(t.content) })),
    );
    this.#addedById = new Map(spec.addedTokens.map((t) => [t.id, t]));
    this.#idOfAdded = new Map(spec.addedTokens.map((t) => [t.content, t.id]));
    this.#tokens = spec.tokens;
    this.size = spec.addedTokens.reduce((size, token) => Math.max(size, token.id + 1), spec.tokens.length);
  }

  /**
   * Token ids of a text. Never adds BOS or EOS. Lone surrogates are read as U+FFFD.
   * @throws TextError where the vocabulary has no token for a byte of the text
   */
  encode(text: string, { special = false, content = [] }: EncodeOptions = {}): number[] {
    const ids: number[] = [];
    const whole = text.replace(/[\uD800-\uDFFF]/gu, "\uFFFD"); // the u flag sees lone surrogates only
    if (!special) {
      this.#encodePlain(this.#normalize(whole), ids);
      return ids;
    }
    for (const run of this.#raw.split(whole, content)) {
      if (run.token === null) this.#encodeNormalized(run, content, ids);
      else ids.push(run.token.id);
    }
    return ids;
  }

  #encodeNormalized(run: TextRun, content: readonly TextRange[], ids: number[]): void {
    const text = this.#normalize(run.text);
    let within = rangesWithin(content, run.start, run.start + run.text.length);
    if (text !== run.text) within = this.#moved(within, run.text, text);
    for (const part of this.#normalized.split(text, within)) {
      if (part.token === null) this.#encodePlain(part.text, ids);
      else ids.push(part.token.id);
    }
  }

  /** Where ranges of a text lie once it is normalised. */
  #moved(ranges: readonly TextRange[], before: string, after: string): TextRange[] {
    const moved: TextRange[] = [];
    let done = 0;
    let length = 0;
    const advance = (to: number): number => {
      length += this.#normalize(before.slice(done, to)).length;
      done = to;
      return length;
    };
    for (const { start, end } of ranges) moved.push({ start: advance(start), end: advance(end) });
    // Where parts normalise to something else than the whole, offsets cannot be told: all of it is content.
    return ranges.length === 0 || advance(before.length) === after.length ? moved : [{ start: 0, end: after.length }];
  }

  /**
   * Token ids of the segments' joint text, where added tokens are recognised only if every character of theirs lies in
   * segments with `special: true`. Text between two added tokens is encoded as one run, whatever segments it spans.
   * @throws TextError as `encode`
   */
  encodeSegments(segments: readonly Segment[]): number[] {
    let text = "";
    const content: TextRange[] = [];
    for (const segment of segments) {
      const start = text.length;
      text += segment.text;
      if (!segment.special && segment.text !== "") content.push({ start, end: text.length });
    }
    return this.encode(text, { special: true, content });
  }

  #encodePlain(text: string, ids: number[]): void {
    if (text !== "") for (const piece of this.#split(text)) this.#pieces.encode(piece, ids);
  }

  /**
   * The text of token ids; bytes that are not UTF-8 become U+FFFD, one for each maximal invalid part. Ids without a
   * token (a model's padding rows) give no text.
   * @param skipSpecial leave out added tokens flagged special (default false)
   * @throws TextError for a value that is not a token id at all (negative, fractional)
   */
  decode(ids: Iterable<number>, options: { skipSpecial?: boolean } = {}): string {
    const stream = this.detokenizer(options);
    let text = "";
    for (const id of ids) text += stream.push(id);
    return text + stream.end();
  }

  /** A decoder that takes one id at a time; what it returns adds up to `decode` of all of them. */
  detokenizer({ skipSpecial = false }: { skipSpecial?: boolean } = {}): Detokenizer {
    return new Detokenizer((id) => (skipSpecial && this.isSpecial(id) ? null : this.tokenBytes(id)));
  }

  /**
   * The bytes one token stands for; null for an id without a token.
   * @throws TextError for a value that is not a token id at all (negative, fractional)
   */
  tokenBytes(id: number): Uint8Array | null {
    if (!Number.isSafeInteger(id) || id < 0) throw new TextError(`${id} is not a token id: want an integer >= 0`);
    const added = this.#addedById.get(id);
    if (added !== undefined) return new TextEncoder().encode(added.content);
    const token = this.#tokens[id] ?? null;
    // A few vocabularies hold ordinary tokens that are not spelled in the byte alphabet: they stand for themselves.
    return token === null ? null : (unspell(token) ?? new TextEncoder().encode(token));
  }

  /** The id of an added token (by its text) or of an ordinary one (by its spelling in the vocabulary); else null. */
  idOf(token: string): number | null {
    return this.#idOfAdded.get(token) ?? this.#pieces.idOf(token);
  }

  /** The added token with this id, or null for an ordinary token. */
  addedToken(id: number): AddedToken | null {
    return this.#addedById.get(id) ?? null;
  }

  /** True for added tokens flagged special: `decode` can leave them out. */
  isSpecial(id: number): boolean {
    return this.#addedById.get(id)?.special ?? false;
  }
}

/** The parts of ascending, disjoint ranges that lie in start..end, counted from `start`. */
function rangesWithin(ranges: readonly TextRange[], start: number, end: number): TextRange[] {
  let low = 0;
  for (let high = ranges.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (ranges[middle]!.end <= start) low = middle + 1;
    else high = middle;
  }
  const within: TextRange[] = [];
  for (let range = ranges[low]; range !== undefined && range.start < end; range = ranges[++low])
    within.push({ start: Math.max(range.start, start) - start, end: Math.min(range.end, end) - start });
  return within;
}
