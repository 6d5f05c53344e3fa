import { describe, expect, it } from "vitest";
import { compileGrammar, type GrammarSource } from "../../src/grammar/compile-grammar.ts";
import type { GrammarMatcher } from "../../src/grammar/matcher.ts";
import { Vocabulary } from "../../src/grammar/vocabulary.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { specFromTokenizerJson } from "../../src/tokenizer/tokenizer-json.ts";
import { skipMissing } from "../skip.ts";
import { deepseekV3Json, NO_DEEPSEEK_V3 } from "../vectors/tokenizer/read.ts";
import { RandomAnswers, randomNumbers, tokensOf } from "./random-answer.ts";
import { SAMPLE_SOURCES } from "./sample-sources.ts";
import { smallVocabulary } from "./small-vocabulary.ts";

const v3Json = deepseekV3Json();
const v3 = v3Json === null ? null : Vocabulary.of(new Tokenizer(specFromTokenizerJson(JSON.parse(v3Json))));

/** Tokens that may come next, each tried by itself. */
function tried(matcher: GrammarMatcher, vocabulary: Vocabulary): number[] {
  return Array.from({ length: vocabulary.size }, (_, token) => token).filter((token) => matcher.takes(token));
}

/** Goes a random way through a grammar and compares every mask, or some of them, with what is tried. */
async function compare(source: GrammarSource, vocabulary: Vocabulary, seed: number, share: number): Promise<number> {
  const matcher = (await compileGrammar(source, vocabulary)).start();
  const random = randomNumbers(seed);
  let compared = 0;
  for (let step = 0; step < 60 && !matcher.mustEnd; step++) {
    const allowed = tokensOf(matcher.allowed());
    if (step === 0 || random() < share) {
      expect(allowed).toEqual(tried(matcher, vocabulary));
      compared++;
    }
    // Short tokens half of the time, or few answers would get beyond their first string.
    const short = allowed.filter((token) => token < 256 && vocabulary.bytes(token)?.length === 1);
    const from = random() < 0.5 && short.length > 0 ? short : allowed;
    matcher.accept(from[Math.floor(random() * from.length)]!);
  }
  return compared;
}

const WORDS = [
  '":',
  '", "',
  '"}',
  '"},{"',
  "}}",
  "]}",
  '{"',
  "name",
  '"age": 1',
  ", ",
  " ",
  "  ",
  "tr",
  "true",
  "e1",
  "0.5",
  "-1",
  "ab",
  "abc",
  "aab",
  'a"',
  "é",
  "日本",
  "😀",
  "\\n",
  '\\"',
  "\\u00",
  "http",
  "://",
  "circle",
  "polygon",
  "\n",
  "x = y\n",
];
const PARTIAL = [
  Uint8Array.of(0xe6, 0x97),
  Uint8Array.of(0x97, 0xa5),
  Uint8Array.of(0xa5, 0x22),
  Uint8Array.of(0x22, 0xf0, 0x9f),
];

describe("a token mask", () => {
  const small = smallVocabulary([...WORDS, ...PARTIAL], ["<|end|>"]);

  it.each(Object.keys(SAMPLE_SOURCES))("has just the tokens that can follow, small vocabulary, %s", async (name) => {
    for (let seed = 1; seed <= 12; seed++) await compare(SAMPLE_SOURCES[name]!, small, seed, 1);
  });

  describe("of DeepSeek-V3", () => {
    for (const [name, source] of Object.entries(SAMPLE_SOURCES)) {
      it(`has just the tokens that can follow, ${name}`, async (t) => {
        if (v3 === null) return skipMissing(t, NO_DEEPSEEK_V3);
        expect(await compare(source, v3, 1, 0.2)).toBeGreaterThan(0);
      });
    }
  });

  it("has tokens that hold a part of a character, but no bytes that are not UTF-8", async () => {
    const matcher = (await compileGrammar({ type: "regex", pattern: "[日本é]{2,9}!" }, small)).start();
    const id = (bytes: (typeof PARTIAL)[number]) => 256 + WORDS.length + PARTIAL.indexOf(bytes);
    expect(tokensOf(matcher.allowed())).toEqual([
      0xc3,
      0xe6,
      256 + WORDS.indexOf("é"),
      256 + WORDS.indexOf("日本"),
      id(PARTIAL[0]!),
    ]);
    matcher.accept(0xe6);
    expect(tokensOf(matcher.allowed())).toEqual([0x97, 0x9c, id(PARTIAL[1]!)]);
    matcher.accept(0x97);
    expect(tokensOf(matcher.allowed())).toEqual([0xa5]);
    expect(matcher.canEnd).toBe(false);
  });

  it("has a token that spells what another one spells, too", async () => {
    const twins = smallVocabulary(["ab", "ab", "a"]);
    const matcher = (await compileGrammar({ type: "choice", choices: ["ab"] }, twins)).start();
    expect(tokensOf(matcher.allowed())).toEqual([97, 256, 257, 258]);
  });

  it("has no added tokens, whatever they look like", async () => {
    const matcher = (await compileGrammar({ type: "regex", pattern: "[^]*" }, small)).start();
    const added = small.size - 1;
    expect(tokensOf(matcher.allowed())).not.toContain(added);
    expect(matcher.takes(added)).toBe(false);
    matcher.accept(97);
  });

  it("counts characters, not bytes or escapes", async () => {
    const schema = { type: "string", minLength: 5, maxLength: 6 };
    const grammar = await compileGrammar({ type: "json_schema", schema }, small);
    const matcher = grammar.start();
    for (const token of Buffer.from('"é\\n')) matcher.accept(token);
    const quote = 0x22;
    expect(tokensOf(matcher.allowed())).not.toContain(quote);
    expect(matcher.takes(quote)).toBe(false);
    for (const token of Buffer.from("😀ab")) matcher.accept(token);
    expect(tokensOf(matcher.allowed())).toContain(quote);
    const room = matcher.clone();
    expect(room.takes(256 + WORDS.indexOf("ab"))).toBe(false);
    expect(tokensOf(room.allowed())).not.toContain(256 + WORDS.indexOf("ab"));
    expect(tokensOf(room.allowed())).toContain(256 + WORDS.indexOf('a"'));
    matcher.accept(97);
    expect(tokensOf(matcher.allowed())).toEqual([quote]);
  });

  it("counts what a token holds before it leaves the string", async () => {
    const x = { type: "string", minLength: 6, maxLength: 7 };
    const schema = { type: "object", properties: { x }, required: ["x"], additionalProperties: false };
    const words = ['a"}', 'aa"}', 'aaa"}', 'aaaa"}'];
    const few = smallVocabulary(words);
    const matcher = (await compileGrammar({ type: "json_schema", schema }, few)).start();
    for (const token of Buffer.from('{"x":"')) matcher.accept(token);
    for (let written = 0; written <= 7; written++) {
      const wholes = tokensOf(matcher.allowed()).filter((token) => token >= 256);
      const fitting = words.filter((_, i) => written + i + 1 >= 6 && written + i + 1 <= 7);
      expect(wholes.map((token) => words[token - 256])).toEqual(fitting);
      matcher.accept("a".charCodeAt(0));
    }
  });
});

describe("the masks that are kept", () => {
  it("are those used last, and no more than there is room for", async () => {
    const source = { size: 2 << 20, addedToken: () => null };
    const wide = Vocabulary.of({ ...source, tokenBytes: (id) => (id < 256 ? Uint8Array.of(id) : null) });
    const grammar = await compileGrammar(
      { type: "regex", pattern: "abcdefghijklmnopqrstuvwxyz0123456789ABCDEF" },
      wide,
    );
    const letters = Buffer.from("abcdefghijklmnopqrstuvwxyz0123456789ABCDEF");
    const maskAt = (place: number): Uint32Array => {
      const matcher = grammar.start();
      for (const letter of letters.subarray(0, place)) matcher.accept(letter);
      return matcher.allowed();
    };
    const masks = Array.from(letters, (_, place) => maskAt(place)); // 256 KB each: room for 32 of 42
    expect(maskAt(41)).toBe(masks[41]);
    expect(maskAt(15)).toBe(masks[15]);
    expect(maskAt(0)).not.toBe(masks[0]);
    expect(maskAt(0)).toEqual(masks[0]);
    for (let place = 1; place < 8; place++) maskAt(place);
    expect(maskAt(15)).toBe(masks[15]);
    expect(maskAt(16)).not.toBe(masks[16]);
  });
});

describe("a matcher", () => {
  const small = smallVocabulary(WORDS);

  it("stays where it was when a token cannot follow", async () => {
    const matcher = (await compileGrammar({ type: "choice", choices: ["abc", "abd"] }, small)).start();
    matcher.accept(256 + WORDS.indexOf("ab"));
    expect(matcher.accept(97)).toBe(false);
    expect(matcher.canEnd).toBe(false);
    matcher.accept(100);
    expect([matcher.canEnd, matcher.mustEnd]).toEqual([true, true]);
    expect(tokensOf(matcher.allowed())).toEqual([]);
  });

  it("may end and go on where both are possible", async () => {
    const matcher = (await compileGrammar({ type: "json_schema", schema: { type: "integer" } }, small)).start();
    expect(matcher.canEnd).toBe(false);
    matcher.accept("7".charCodeAt(0));
    expect([matcher.canEnd, matcher.mustEnd]).toEqual([true, false]);
  });

  it("is apart from its clone", async () => {
    const matcher = (await compileGrammar({ type: "choice", choices: ["a", "b"] }, small)).start();
    const clone = matcher.clone();
    clone.accept(97);
    matcher.accept(98);
    expect(clone.takes(98)).toBe(false);
  });

  it("serves answers side by side as it serves one", async () => {
    const grammar = await compileGrammar(SAMPLE_SOURCES.person!, small);
    const answers = new RandomAnswers(small);
    const alone = [1, 2, 3].map((seed) => answers.make(grammar.start(), seed).tokens);
    const matchers = alone.map(() => grammar.start());
    for (let step = 0; step < Math.max(...alone.map((tokens) => tokens.length)); step++) {
      for (const [i, tokens] of alone.entries()) {
        const token = tokens[step];
        if (token !== undefined) matchers[i]!.accept(token);
      }
    }
    expect(matchers.every((matcher) => matcher.canEnd)).toBe(true);
  });
});
