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
  /** After this many tokens the shortest way to an end is looked for. */
  readonly tokens?: number;
  readonly now?: () => number;
  readonly onMask?: (milliseconds: number) => void;
}

/**
 * An answer of tokens drawn at random from what a matcher allows. So that it ends, from some length on tokens that close
 * something are preferred.
 * @returns its bytes and tokens, and whether it came to an end; of free forms not all do
 */
export function randomAnswer(
  matcher: GrammarMatcher,
  vocabulary: Vocabulary,
  seed: number,
  { tokens: wanted = 60, now = () => 0, onMask = () => {} }: WalkOptions = {},
): { bytes: Uint8Array; tokens: number[]; ended: boolean } {
  const random = randomNumbers(seed);
  const tokens: number[] = [];
  const bytes: number[] = [];
  while (!matcher.mustEnd) {
    if (matcher.canEnd && (tokens.length >= wanted || random() < 0.2)) break;
    if (tokens.length > wanted + 2000) return { bytes: Uint8Array.from(bytes), tokens, ended: false };
    const start = now();
    const mask = matcher.allowed();
    onMask(now() - start);
    const allowed = tokensOf(mask);
    if (allowed.length === 0) throw new Error(`dead end after ${JSON.stringify(text(bytes))}`);
    const token = tokens.length >= wanted ? closing(allowed, vocabulary, random) : pick(allowed, random);
    if (!matcher.accept(token)) throw new Error(`token ${token} was allowed, but is not accepted`);
    tokens.push(token);
    bytes.push(...(vocabulary.bytes(token) ?? []));
  }
  return { bytes: Uint8Array.from(bytes), tokens, ended: true };
}

/** Ids of the tokens whose bit is set, ascending. */
export function tokensOf(mask: Uint32Array): number[] {
  const tokens: number[] = [];
  for (const [word, bits] of mask.entries()) {
    for (let rest = bits; rest !== 0; rest &= rest - 1) tokens.push(word * 32 + (31 - Math.clz32(rest & -rest)));
  }
  return tokens;
}

function pick(tokens: readonly number[], random: () => number): number {
  return tokens[Math.floor(random() * tokens.length)]!;
}

/** One of the tokens that are a single closing character, or the last bytes of a character; else a short one. */
function closing(allowed: readonly number[], vocabulary: Vocabulary, random: () => number): number {
  const ends = allowed.filter((token) => {
    const bytes = vocabulary.bytes(token);
    return (
      bytes !== null && bytes.length === 1 && (bytes[0]! >= 0x80 || '"}])'.includes(String.fromCharCode(bytes[0]!)))
    );
  });
  if (ends.length > 0) return pick(ends, random);
  const short = allowed.filter((token) => (vocabulary.bytes(token)?.length ?? 0) <= 2);
  return pick(short.length > 0 ? short : allowed, random);
}

function text(bytes: readonly number[]): string {
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
