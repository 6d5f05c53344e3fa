import type { GrammarMatcher } from "../../src/grammar/matcher.ts";
import type { Vocabulary } from "../../src/grammar/vocabulary.ts";

/** Numbers in 0..1, the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface WalkOptions {
  /** From this many tokens on, tokens that close something are preferred. */
  readonly tokens?: number;
  readonly now?: () => number;
  readonly onMask?: (milliseconds: number) => void;
}

export interface Answer {
  readonly bytes: Uint8Array;
  readonly tokens: readonly number[];
  /** False where it came to no end: of free forms not every random answer does. */
  readonly ended: boolean;
}

/** Makes answers of tokens drawn at random from what matchers allow. */
export class RandomAnswers {
  readonly #vocabulary: Vocabulary;
  /** Tokens that are one closing character or one byte of a longer character. */
  readonly #closing: readonly number[];
  readonly #short: readonly number[];

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    const tokens = Array.from({ length: vocabulary.size }, (_, token) => token);
    this.#short = tokens.filter((token) => (vocabulary.bytes(token)?.length ?? 9) <= 1);
    this.#closing = this.#short.filter((token) => {
      const [byte] = vocabulary.bytes(token)!;
      return byte! >= 0x80 || '"}])'.includes(String.fromCharCode(byte!));
    });
  }

  /** One answer; the same for the same seed. */
  make(matcher: GrammarMatcher, seed: number, options: WalkOptions = {}): Answer {
    const { tokens: wanted = 60, now = () => 0, onMask = () => {} } = options;
    const random = randomNumbers(seed);
    const tokens: number[] = [];
    const bytes: number[] = [];
    const answer = (ended: boolean): Answer => ({ bytes: Uint8Array.from(bytes), tokens, ended });
    while (!matcher.mustEnd) {
      if (matcher.canEnd && (tokens.length >= wanted || random() < 0.2)) break;
      if (tokens.length > wanted + 1000) return answer(false);
      const start = now();
      const mask = matcher.allowed();
      onMask(now() - start);
      const token = (tokens.length >= wanted ? this.#closer(mask, random) : null) ?? randomToken(mask, random);
      if (token === null)
        throw new Error(`dead end after ${JSON.stringify(new TextDecoder().decode(Uint8Array.from(bytes)))}`);
      if (!matcher.accept(token)) throw new Error(`token ${token} is in the mask and cannot follow`);
      tokens.push(token);
      bytes.push(...(this.#vocabulary.bytes(token) ?? []));
    }
    return answer(true);
  }

  #closer(mask: Uint32Array, random: () => number): number | null {
    for (const tokens of [this.#closing, this.#short]) {
      const allowed = tokens.filter((token) => ((mask[token >>> 5]! >>> (token & 31)) & 1) === 1);
      if (allowed.length > 0) return allowed[Math.floor(random() * allowed.length)]!;
    }
    return null;
  }
}

/** Ids of the tokens whose bit is set, ascending. */
export function tokensOf(mask: Uint32Array): number[] {
  const tokens: number[] = [];
  for (const [word, bits] of mask.entries()) {
    for (let rest = bits; rest !== 0; rest &= rest - 1) tokens.push(word * 32 + (31 - Math.clz32(rest & -rest)));
  }
  return tokens;
}

/** One of the tokens whose bit is set, all alike; null when none is. */
export function randomToken(mask: Uint32Array, random: () => number): number | null {
  let set = 0;
  for (let word = 0; word < mask.length; word++) set += bitCount(mask[word]!);
  if (set === 0) return null;
  let left = Math.floor(random() * set);
  let word = 0;
  for (let count = bitCount(mask[0]!); count <= left; count = bitCount(mask[++word]!)) left -= count;
  let bits = mask[word]!;
  for (; left > 0; left--) bits &= bits - 1;
  return word * 32 + (31 - Math.clz32(bits & -bits));
}

function bitCount(bits: number): number {
  let n = bits - ((bits >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return (((n + (n >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}
