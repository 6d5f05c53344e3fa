import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fixture, NO_SHARED } from "../../test/shared-fixtures.ts";
import { skipMissing } from "../../test/skip.ts";
import { deepseekV3Json, NO_DEEPSEEK_V3, vectors } from "../../test/vectors/tokenizer/read.ts";
import { ConfigError } from "../errors.ts";
import { Tokenizer } from "./tokenizer.ts";
import { GGUF_TOKEN_TYPES, type GgufTokenizerMetadata, specFromGguf } from "./tokenizer-gguf.ts";
import { specFromTokenizerJson } from "./tokenizer-json.ts";

/** What llama.cpp's converter writes for a tokenizer.json. */
function ggufOf(text: string): GgufTokenizerMetadata {
  const json = JSON.parse(text);
  const tokens: string[] = [];
  for (const [token, id] of Object.entries<number>(json.model.vocab)) tokens[id] = token;
  const tokenTypes: number[] = tokens.map(() => GGUF_TOKEN_TYPES.normal);
  for (const { id, content, special } of json.added_tokens) {
    tokens[id] = content;
    tokenTypes[id] = special ? GGUF_TOKEN_TYPES.control : GGUF_TOKEN_TYPES.userDefined;
  }
  const merges = json.model.merges.map((merge: string | string[]) =>
    typeof merge === "string" ? merge : merge.join(" "),
  );
  return { model: "gpt2", pre: "deepseek-v3", tokens, tokenTypes, merges };
}

const tiny: GgufTokenizerMetadata = { model: "gpt2", pre: "gpt-2", tokens: ["a", "b", "ab"], merges: ["a b"] };

describe("specFromGguf", () => {
  it("gives the ids that tokenizer.json gives (DeepSeek-V3)", (t) => {
    const text = deepseekV3Json();
    if (text === null) return skipMissing(t, NO_DEEPSEEK_V3);
    const fromJson = new Tokenizer(specFromTokenizerJson(JSON.parse(text)));
    const fromGguf = new Tokenizer(specFromGguf(ggufOf(text)));
    for (const record of vectors<{ text: string; ids: number[] }[]>("deepseek-v3.json")) {
      expect(fromGguf.encode(record.text, { special: true })).toEqual(record.ids);
      expect(fromGguf.encode(record.text)).toEqual(fromJson.encode(record.text));
      expect(fromGguf.decode(record.ids, { skipSpecial: true })).toBe(
        fromJson.decode(record.ids, { skipSpecial: true }),
      );
    }
  });

  it("gives the ids that tokenizer.json gives (tiny vocabulary)", (t) => {
    const json = fixture("v3-tiny", "tokenizer.json");
    const goldens = fixture("tokenizer", "tiny.jsonl");
    if (json === null || goldens === null) return t.skip(NO_SHARED);
    const tokenizer = new Tokenizer(specFromGguf(ggufOf(readFileSync(json, "utf8"))));
    for (const line of readFileSync(goldens, "utf8").trim().split("\n")) {
      const { text, ids, ids_plain } = JSON.parse(line);
      expect(tokenizer.encode(text, { special: true })).toEqual(ids);
      expect(tokenizer.encode(text)).toEqual(ids_plain);
    }
  });

  it("control tokens are special, user-defined ones are not, unused ones are no text", () => {
    const { control, userDefined, unused, normal } = GGUF_TOKEN_TYPES;
    const tokenizer = new Tokenizer(
      specFromGguf({
        ...tiny,
        tokens: ["a", "<c>", "<u>", "[PAD3]"],
        tokenTypes: [normal, control, userDefined, unused],
        merges: [],
      }),
    );
    expect(tokenizer.encode("<c>a<u>", { special: true })).toEqual([1, 0, 2]);
    expect(tokenizer.decode([1, 0, 2, 3], { skipSpecial: true })).toBe("a<u>");
    expect(tokenizer.idOf("[PAD3]")).toBeNull();
  });

  it("normalises for qwen2 as its tokenizer.json does, and not for gpt-2", () => {
    const tokens = ["Ã", "©", "Ã©", "e", "Ì", "ģ"];
    const meta = { ...tiny, tokens, merges: ["Ã ©"] };
    expect(new Tokenizer(specFromGguf({ ...meta, pre: "qwen2" })).encode("e\u0301")).toEqual([2]);
    expect(new Tokenizer(specFromGguf(meta)).encode("e\u0301")).toEqual([3, 4, 5]);
  });

  it("a kimi-k2 file without merges merges by ids", () => {
    const meta: GgufTokenizerMetadata = { model: "gpt2", pre: "kimi-k2", tokens: ["a", "b", "ab", "abab"] };
    expect(new Tokenizer(specFromGguf(meta)).encode("ababab")).toEqual([3, 2]);
  });

  it("add_bos_token decides, and without it the pre-tokenizer's habit", () => {
    expect(specFromGguf({ ...tiny, pre: "llama-bpe" }).addBos).toBe(true);
    expect(specFromGguf({ ...tiny, pre: "llama-bpe", addBos: false }).addBos).toBe(false);
    expect(specFromGguf({ ...tiny, bosId: 1, eosId: 0 })).toMatchObject({ addBos: false, bosId: 1, eosId: 0 });
  });

  const refused: [string, Partial<GgufTokenizerMetadata>, RegExp][] = [
    ["another kind of vocabulary", { model: "llama" }, /tokenizer\.ggml\.model: "llama" is not supported/],
    ["an unknown pre-tokenizer", { pre: "falcon" }, /tokenizer\.ggml\.pre: .*"falcon".*deepseek-v3/],
    ["a pre-tokenizer named like a JavaScript property", { pre: "constructor" }, /tokenizer\.ggml\.pre/],
    ["no pre-tokenizer", { pre: undefined }, /tokenizer\.ggml\.pre: missing/],
    ["no merges", { merges: undefined }, /tokenizer\.ggml\.merges: missing/],
    ["too few types", { tokenTypes: [1] }, /tokenizer\.ggml\.token_type: 1 types for 3 tokens/],
    ["a BOS beyond the tokens", { bosId: 3 }, /tokenizer\.ggml\.bos_token_id: 3/],
    ["a token twice", { tokens: ["a", "b", "a"], merges: [] }, /ids 0 and 2 are both the token "a"/],
    ["a merge without a space", { merges: ["ab"] }, /merges\[0\]/],
  ];
  for (const [what, change, message] of refused)
    it(`refuses ${what}, naming the key`, () => {
      expect(() => new Tokenizer(specFromGguf({ ...tiny, ...change }))).toThrow(ConfigError);
      expect(() => new Tokenizer(specFromGguf({ ...tiny, ...change }))).toThrow(message);
    });
});
