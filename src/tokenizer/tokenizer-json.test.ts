import { describe, expect, it } from "vitest";
import { skipMissing } from "../../test/skip.ts";
import { deepseekV3Json, NO_DEEPSEEK_V3 } from "../../test/vectors/tokenizer/read.ts";
import { ConfigError } from "../errors.ts";
import { GGUF_PRE_TOKENIZERS } from "./split-patterns.ts";
import { Tokenizer } from "./tokenizer.ts";
import { specFromTokenizerJson } from "./tokenizer-json.ts";

type Json = Record<string, unknown>;

function valid(change: (json: { model: Json } & Json) => void = () => {}): Json {
  const json = {
    added_tokens: [{ id: 3, content: "<x>", special: true }],
    normalizer: null as unknown,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true } as unknown,
    model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] } as Json,
  };
  change(json);
  return json;
}

describe("specFromTokenizerJson", () => {
  it("reads vocabulary, merges in both forms, added tokens and their defaults", () => {
    const old = specFromTokenizerJson(valid());
    const pairs = specFromTokenizerJson(valid((json) => Object.assign(json.model, { merges: [["a", "b"]] })));
    for (const spec of [old, pairs]) expect(new Tokenizer(spec).encode("ab")).toEqual([2]);
    expect(old.tokens).toEqual(["a", "b", "ab"]);
    expect(old.addedTokens).toEqual([
      { id: 3, content: "<x>", special: true, lstrip: false, rstrip: false, singleWord: false, normalized: false },
    ]);
  });

  it("an added token that the vocabulary has too is an added token only", () => {
    const spec = specFromTokenizerJson(
      valid((json) => Object.assign(json, { added_tokens: [{ id: 2, content: "ab", special: false }] })),
    );
    expect(spec.tokens[2]).toBeNull();
    const tokenizer = new Tokenizer(spec);
    expect(tokenizer.encode("ab")).toEqual([0, 1]);
    expect(tokenizer.encode("ab", { special: true })).toEqual([2]);
  });

  it("finds BOS and EOS by their text", () => {
    const spec = specFromTokenizerJson(valid(), { bosToken: "<x>", eosToken: "b", addBos: true });
    expect([spec.bosId, spec.eosId, spec.addBos]).toEqual([3, 1, true]);
    expect(() => specFromTokenizerJson(valid(), { bosToken: "<y>" })).toThrow(/^bos_token: the token "<y>"/);
  });

  it("normalizers and pre-tokenizers apply in their order", () => {
    const spec = specFromTokenizerJson(
      valid((json) => {
        json.normalizer = {
          type: "Sequence",
          normalizers: [
            { type: "NFKC" },
            { type: "Replace", pattern: { String: "b" }, content: "a" },
            { type: "Replace", pattern: { Regex: "a+" }, content: "$&b" },
          ],
        };
        json.pre_tokenizer = {
          type: "Sequence",
          pretokenizers: [
            { type: "WhitespaceSplit" },
            { type: "Digits", individual_digits: true },
            { type: "Punctuation" },
            { type: "ByteLevel", add_prefix_space: false, use_regex: false },
          ],
        };
        Object.assign(json.model, { vocab: { $: 0, "&": 1, b: 2 }, merges: [] });
      }),
    );
    expect(new Tokenizer(spec).encode("ａｂ b")).toEqual([0, 1, 2, 0, 1, 2]);
  });

  it("DeepSeek-V3's split steps are those of the GGUF name deepseek-v3", (t) => {
    const json = deepseekV3Json();
    if (json === null) return skipMissing(t, NO_DEEPSEEK_V3);
    expect(specFromTokenizerJson(JSON.parse(json)).preTokenizer).toEqual(GGUF_PRE_TOKENIZERS["deepseek-v3"]?.steps);
  });

  const many = Array.from({ length: 3 }, (_, i) => ({ id: 5, content: `<${i}>` }));
  const refused: [string, (json: { model: Json } & Json) => void, RegExp][] = [
    [
      "a model that is not an object",
      (j) => Object.assign(j, { model: 5 }),
      /tokenizer\.json: model: want an object, got 5/,
    ],
    [
      "another kind of model",
      (j) => Object.assign(j.model, { type: "Unigram" }),
      /model\.type: "Unigram" is not supported/,
    ],
    ["byte fallback", (j) => Object.assign(j.model, { byte_fallback: true }), /model\.byte_fallback/],
    ["dropout", (j) => Object.assign(j.model, { dropout: 0.1 }), /model\.dropout/],
    [
      "an id that is no number",
      (j) => Object.assign(j.model, { vocab: { a: "0" } }),
      /model\.vocab\["a"\]: want a token id/,
    ],
    ["a negative id", (j) => Object.assign(j.model, { vocab: { a: -1 } }), /model\.vocab\["a"\]/],
    ["an id beyond memory", (j) => Object.assign(j.model, { vocab: { a: 4294967295 } }), /model\.vocab\["a"\]/],
    [
      "two tokens with one id",
      (j) => Object.assign(j.model, { vocab: { a: 0, b: 0 } }),
      /"a" and "b" have the same id 0/,
    ],
    ["merges that are no list", (j) => Object.assign(j.model, { merges: {} }), /model\.merges: want an array/],
    ["a merge of one token", (j) => Object.assign(j.model, { merges: ["ab"] }), /model\.merges\[0\]/],
    ["a merge of three", (j) => Object.assign(j.model, { merges: [["a", "b", "c"]] }), /model\.merges\[0\]/],
    ["an unknown token that is not there", (j) => Object.assign(j.model, { unk_token: "?" }), /model\.unk_token/],
    ["added tokens with one id", (j) => Object.assign(j, { added_tokens: many }), /added_tokens\[1\]: id 5 is taken/],
    [
      "an added token without text",
      (j) => Object.assign(j, { added_tokens: [{ id: 1, content: "" }] }),
      /added_tokens\[0\]\.content/,
    ],
    [
      "a flag that is no boolean",
      (j) => Object.assign(j, { added_tokens: [{ id: 9, content: "x", special: 1 }] }),
      /added_tokens\[0\]\.special/,
    ],
    [
      "an added token on another's id",
      (j) => Object.assign(j, { added_tokens: [{ id: 1, content: "<x>" }] }),
      /id 1 is "b"/,
    ],
    [
      "a normalizer it does not know",
      (j) => Object.assign(j, { normalizer: { type: "Precompiled" } }),
      /normalizer\.type: the normalizer Precompiled/,
    ],
    ["no byte-level step", (j) => Object.assign(j, { pre_tokenizer: null }), /pre_tokenizer: no ByteLevel step/],
    [
      "a pre-tokenizer it does not know",
      (j) => Object.assign(j, { pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Metaspace" }] } }),
      /pre_tokenizer\.pretokenizers\[0\]\.type: the pre-tokenizer Metaspace/,
    ],
    [
      "a behaviour it does not know",
      (j) => Object.assign(j, { pre_tokenizer: { type: "Split", pattern: { String: "x" }, behavior: "constructor" } }),
      /pre_tokenizer\.behavior/,
    ],
  ];
  it("refuses sequences nested without end", () => {
    for (const [field, list] of [
      ["pre_tokenizer", "pretokenizers"],
      ["normalizer", "normalizers"],
    ] as const) {
      let step: Json = { type: "NFC" };
      for (let i = 0; i < 20_000; i++) step = { type: "Sequence", [list]: [step] };
      expect(() => specFromTokenizerJson(valid((json) => Object.assign(json, { [field]: step })))).toThrow(
        /nested more than 8 deep/,
      );
      expect(() => specFromTokenizerJson(valid((json) => Object.assign(json.model, { merges: step })))).toThrow(
        /got an object/,
      );
    }
  });

  for (const [what, change, message] of refused)
    it(`refuses ${what}, naming the field`, () => {
      expect(() => specFromTokenizerJson(valid(change))).toThrow(ConfigError);
      expect(() => specFromTokenizerJson(valid(change))).toThrow(message);
    });

  it("refuses a merge of tokens that are not there, naming it", () => {
    const spec = specFromTokenizerJson(valid((json) => Object.assign(json.model, { merges: ["a b", "ab a"] })));
    expect(() => new Tokenizer(spec)).toThrow(/tokenizer\.json: merges\[1\]/);
  });

  it("refuses a split pattern that cannot be run, naming the step", () => {
    const pre = {
      type: "Sequence",
      pretokenizers: [{ type: "Split", pattern: { Regex: "(a+)+" }, behavior: "Isolated" }, { type: "ByteLevel" }],
    };
    const spec = specFromTokenizerJson(valid((json) => Object.assign(json, { pre_tokenizer: pre })));
    expect(() => new Tokenizer(spec)).toThrow(/tokenizer\.json: pre_tokenizer\[0\]: an unlimited repetition/);
  });

  it("refuses anything else that is not a tokenizer", () => {
    for (const json of [null, 1, "x", [], {}]) expect(() => specFromTokenizerJson(json)).toThrow(ConfigError);
  });
});
