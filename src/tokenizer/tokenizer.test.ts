import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fixture, NO_SHARED, sharedDir } from "../../test/shared-fixtures.ts";
import { skipMissing } from "../../test/skip.ts";
import { deepseekV3Json, NO_DEEPSEEK_V3, vectors } from "../../test/vectors/tokenizer/read.ts";
import { TextError } from "../errors.ts";
import { spell } from "./byte-alphabet.ts";
import type { AddedToken, TokenizerSpec } from "./spec.ts";
import { Tokenizer } from "./tokenizer.ts";
import { specFromTokenizerJson } from "./tokenizer-json.ts";

const v3Json = deepseekV3Json();
const v3 = v3Json === null ? null : new Tokenizer(specFromTokenizerJson(JSON.parse(v3Json)));

const BYTES = Array.from({ length: 256 }, (_, byte) => spell(Uint8Array.of(byte)));
const FLAGS = { special: false, lstrip: false, rstrip: false, singleWord: false, normalized: false };

/** A vocabulary of the 256 bytes, some merged tokens and added tokens after them. */
function small(added: (Partial<AddedToken> & { content: string })[], rest: Partial<TokenizerSpec> = {}): Tokenizer {
  const words = ["ab", "abc", "Ġa"];
  const addedTokens = added.map((token, i) => ({ ...FLAGS, id: 300 + i, ...token }));
  return new Tokenizer({
    source: "small",
    tokens: [...BYTES, ...words],
    merges: { kind: "list", pairs: ["a b", "ab c", "Ġ a"] },
    ignoreMerges: false,
    normalizer: [],
    preTokenizer: [{ kind: "split", pattern: { regex: " ?[^ ]+" }, behavior: "isolated", invert: false }],
    addedTokens,
    unkId: null,
    bosId: null,
    eosId: null,
    addBos: false,
    ...rest,
  });
}

interface Golden {
  text: string;
  text_utf16?: number[];
  ids: number[];
  ids_plain: number[];
  decoded: string;
  decoded_skip_special: string;
  decoded_plain: string;
}

function lines<T>(file: string): T[] {
  const text = readFileSync(file, "utf8").trim();
  return text.split("\n").map((line) => JSON.parse(line) as T);
}

function checkGoldens(tokenizer: Tokenizer, goldens: Golden[]): void {
  for (const golden of goldens) {
    const text = golden.text_utf16 === undefined ? golden.text : String.fromCharCode(...golden.text_utf16);
    const got = {
      ids: tokenizer.encode(text, { special: true }),
      ids_plain: tokenizer.encode(text),
      decoded: tokenizer.decode(golden.ids),
      decoded_skip_special: tokenizer.decode(golden.ids, { skipSpecial: true }),
      decoded_plain: tokenizer.decode(golden.ids_plain),
    };
    expect(golden).toMatchObject(got);
  }
}

describe("goldens", () => {
  it("of the released DeepSeek-V3 vocabulary", (t) => {
    const file = fixture("tokenizer", "deepseek_v3.jsonl");
    const info = fixture("tokenizer", "info.json");
    if (file === null || info === null) return t.skip(NO_SHARED);
    if (v3 === null || v3Json === null) return skipMissing(t, NO_DEEPSEEK_V3);
    const { deepseek_v3: about } = JSON.parse(readFileSync(info, "utf8"));
    expect(createHash("sha256").update(v3Json).digest("hex")).toBe(about.sha256);
    expect(v3.size).toBe(about.vocab_with_added);
    const goldens = lines<Golden>(file);
    expect(goldens).toHaveLength(312);
    checkGoldens(v3, goldens);
  });

  it("of id sequences that DeepSeek-V3's vocabulary decodes", (t) => {
    const file = fixture("tokenizer", "deepseek_v3_decode.jsonl");
    if (file === null) return t.skip(NO_SHARED);
    if (v3 === null) return skipMissing(t, NO_DEEPSEEK_V3);
    const goldens = lines<{ ids: number[]; decoded: string; decoded_skip_special: string }>(file);
    expect(goldens).toHaveLength(80);
    for (const { ids, decoded, decoded_skip_special } of goldens) {
      expect(v3.decode(ids)).toBe(decoded);
      expect(v3.decode(ids, { skipSpecial: true })).toBe(decoded_skip_special);
    }
  });

  it("of the tiny vocabulary", (t) => {
    const file = fixture("tokenizer", "tiny.jsonl");
    const json = fixture("v3-tiny", "tokenizer.json");
    if (file === null || json === null) return t.skip(NO_SHARED);
    const goldens = lines<Golden>(file);
    expect(goldens).toHaveLength(156);
    checkGoldens(new Tokenizer(specFromTokenizerJson(JSON.parse(readFileSync(json, "utf8")))), goldens);
  });

  it("of the demonstration model's prompts", (t) => {
    const model = path.join(sharedDir, "models", "deepts-tiny");
    if (!existsSync(model)) return t.skip(NO_SHARED);
    const json = JSON.parse(readFileSync(path.join(model, "tokenizer.json"), "utf8"));
    const tokenizer = new Tokenizer(specFromTokenizerJson(json));
    const goldens = lines<{ prompt: string; ids: number[]; greedy: number[]; text: string }>(
      path.join(model, "greedy.jsonl"),
    );
    for (const { prompt, ids, greedy, text } of goldens) {
      expect(tokenizer.encode(prompt, { special: true })).toEqual(ids);
      expect(tokenizer.decode(greedy)).toBe(text);
    }
  });

  it("of test/vectors/tokenizer for DeepSeek-V3's vocabulary", (t) => {
    if (v3 === null) return skipMissing(t, NO_DEEPSEEK_V3);
    const records = vectors<{ text: string; ids: number[]; decoded: string }[]>("deepseek-v3.json");
    for (const { text, ids, decoded } of records) {
      expect(v3.encode(text, { special: true }), JSON.stringify(text)).toEqual(ids);
      expect(v3.decode(ids)).toBe(decoded);
    }
  });
});

describe("encode and decode", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 60 });

  it("decode gives the text back, lone surrogates as U+FFFD", (t) => {
    if (v3 === null) return skipMissing(t, NO_DEEPSEEK_V3);
    fc.assert(fc.property(text, (s) => v3.decode(v3.encode(s)) === s));
    expect(v3.decode(v3.encode("a\ud800b\udc00"))).toBe("a\ufffdb\ufffd");
  });

  it("plain text never gives an added token, whatever it reads like", (t) => {
    if (v3 === null) return skipMissing(t, NO_DEEPSEEK_V3);
    const parts = fc.array(fc.oneof(text, fc.constantFrom(...v3.addedTokens.map((token) => token.content))));
    fc.assert(fc.property(parts, (p) => v3.encode(p.join("")).every((id) => v3.addedToken(id) === null)));
  });

  it("merges the lowest rank first, and of equal ranks the leftmost", () => {
    const tokens = small([], { tokens: [...BYTES, "aa", "aaa"], merges: { kind: "list", pairs: ["a a", "aa a"] } });
    expect(tokens.encode("aaaaa")).toEqual([256, 257]);
  });

  it("takes a piece that is a token as a whole where merges are ignored", () => {
    const options: Partial<TokenizerSpec> = { tokens: [...BYTES, "xyz"], merges: { kind: "list", pairs: [] } };
    expect(small([], options).encode("xyz")).toHaveLength(3);
    expect(small([], { ...options, ignoreMerges: true }).encode("xyz")).toEqual([256]);
  });

  it("refuses a byte that the vocabulary lacks, or uses its unknown token", () => {
    const tokens = BYTES.map((token) => (token === "a" ? null : token));
    const options: Partial<TokenizerSpec> = { tokens, merges: { kind: "list", pairs: [] } };
    expect(() => small([], options).encode("bad")).toThrow(
      new TextError("the vocabulary has no token for the byte 0x61 of the text"),
    );
    expect(small([], { ...options, unkId: 0 }).encode("bad")).toEqual([98, 0, 100]);
  });

  it("ids without a token decode to nothing, values that are no ids are refused", () => {
    const tokenizer = small([]);
    expect(tokenizer.decode([97, 9999, 98])).toBe("ab");
    for (const id of [-1, 1.5, Number.NaN]) expect(() => tokenizer.decode([id])).toThrow(TextError);
  });

  it("a token has bytes, an id and a kind", () => {
    const tokenizer = small([{ content: "<x>", special: true }]);
    expect(tokenizer.tokenBytes(258)).toEqual(Uint8Array.of(32, 97));
    expect(tokenizer.tokenBytes(299)).toBeNull();
    expect(tokenizer.idOf("<x>")).toBe(300);
    expect(tokenizer.idOf("abc")).toBe(257);
    expect(tokenizer.idOf("nothing")).toBeNull();
    expect([tokenizer.isSpecial(300), tokenizer.isSpecial(97), tokenizer.size]).toEqual([true, false, 301]);
  });

  it("takes long runs of one character without a pause", (t) => {
    if (v3 === null) return skipMissing(t, NO_DEEPSEEK_V3);
    for (const run of [" ", "a", "!", "\n", "<", "\0", "1", "中", "e\u0301", " \n"]) {
      const long = run.repeat(100_000);
      expect(v3.decode(v3.encode(long, { special: true })) === long, JSON.stringify(run)).toBe(true);
    }
  });
});

describe("added tokens", () => {
  it("the leftmost match wins, and of those the longest", () => {
    const tokenizer = small([{ content: "<a" }, { content: "<a>b" }, { content: ">b>" }]);
    expect(tokenizer.encode("<a>b>", { special: true })).toEqual([301, 62]);
    expect(tokenizer.encode("<a>c", { special: true })).toEqual([300, 62, 99]);
  });

  it("lstrip and rstrip take white space along", () => {
    const tokenizer = small([{ content: "<m>", lstrip: true, rstrip: true }]);
    expect(tokenizer.encode("a \n<m>\u0085 b", { special: true })).toEqual([97, 300, 98]);
    expect(tokenizer.encode("<m> <m>", { special: true })).toEqual([300, 300]);
  });

  it("a single-word token needs room on both sides", () => {
    const tokenizer = small([{ content: "ab", singleWord: true }]);
    expect(tokenizer.encode("ab, ab", { special: true })).toEqual([300, 44, 32, 300]);
    expect(tokenizer.encode("xab", { special: true })).toEqual([120, 256]);
    expect(tokenizer.encode("abé", { special: true })).not.toContain(300);
  });

  it("normalized tokens are looked for after normalising, and after the others", () => {
    const nfc: Partial<TokenizerSpec> = { normalizer: [{ kind: "form", form: "NFC" }] };
    const tokenizer = small(
      [
        { content: "<é>", normalized: true },
        { content: "é>", normalized: false },
      ],
      nfc,
    );
    expect(tokenizer.encode("<e\u0301>", { special: true })).toEqual([300]);
    expect(tokenizer.encode("<é>", { special: true })).toEqual([60, 301]);
  });
});

describe("content ranges", () => {
  const tokenizer = small([{ content: "<x>" }, { content: "<x" }, { content: "<é>", normalized: true }], {
    normalizer: [{ kind: "form", form: "NFC" }],
  });

  it("no added token covers a range, a shorter one beside it still counts", () => {
    expect(tokenizer.encode("<x><x>", { special: true, content: [{ start: 1, end: 2 }] })).toEqual([60, 120, 62, 300]);
    expect(tokenizer.encode("<x>", { special: true, content: [{ start: 2, end: 3 }] })).toEqual([301, 62]);
  });

  it("move with the text when it is normalised", () => {
    const text = `${"e\u0301".repeat(4)}<e\u0301><e\u0301>`;
    expect(tokenizer.encode(text, { special: true })).toEqual([...tokenizer.encode("éééé"), 302, 302]);
    const content = [{ start: 8, end: 9 }]; // the first "<"
    expect(tokenizer.encode(text, { special: true, content })).toEqual([...tokenizer.encode("éééé<é>"), 302]);
  });

  it("segments: only trusted text gives added tokens, and merges cross the seams", () => {
    const segments = [
      { text: "<x>a", special: true },
      { text: "bc<x>", special: false },
      { text: "", special: false },
      { text: "<x>", special: true },
    ];
    expect(tokenizer.encodeSegments(segments)).toEqual([300, 257, 60, 120, 62, 300]);
  });

  it("segments: a token half in trusted text is no token", () => {
    const segments = [
      { text: "<", special: false },
      { text: "x>", special: true },
    ];
    expect(tokenizer.encodeSegments(segments)).toEqual([60, 120, 62]);
  });
});

describe("Detokenizer", () => {
  it("gives the same text as decode, and never half a character", (t) => {
    if (v3 === null) return skipMissing(t, NO_DEEPSEEK_V3);
    const ids = fc.array(fc.integer({ min: 0, max: v3.size + 10 }), { maxLength: 40 });
    const texts = fc.string({ unit: "grapheme" }).map((s) => v3.encode(s));
    fc.assert(
      fc.property(fc.oneof(ids, texts), fc.boolean(), (tokens, skipSpecial) => {
        const stream = v3.detokenizer({ skipSpecial });
        const parts = tokens.map((id) => stream.push(id));
        expect(parts.every((part) => !/[\ud800-\udfff]/u.test(part))).toBe(true);
        expect(parts.join("") + stream.end()).toBe(v3.decode(tokens, { skipSpecial }));
      }),
    );
  });

  it("holds the bytes of a character back until the last one is there", () => {
    const stream = small([]).detokenizer();
    expect([0xf0, 0x9f, 0x98, 0x80].map((byte) => stream.push(byte))).toEqual(["", "", "", "😀"]);
    expect([0xe4, 0x61].map((byte) => stream.push(byte))).toEqual(["", "\ufffda"]);
    stream.push(0xe4);
    expect(stream.end()).toBe("\ufffd");
  });

  it("keeps a byte order mark", () => {
    expect(small([]).decode([0xef, 0xbb, 0xbf, 97])).toBe("\ufeffa");
  });
});
