import { describe, expect, it } from "vitest";
import { vectors, vectorText } from "../../test/vectors/tokenizer/read.ts";
import { ConfigError, FormatError } from "../errors.ts";
import { Tokenizer } from "./tokenizer.ts";
import { specFromGguf } from "./tokenizer-gguf.ts";
import { specFromTiktoken } from "./tokenizer-tiktoken.ts";

const model = vectorText("kimi-small.tiktoken");
const records = vectors<{ text: string; ids: number[] }[]>("kimi-small.json");

describe("specFromTiktoken", () => {
  it("gives the ids that tiktoken gives", () => {
    const tokenizer = new Tokenizer(specFromTiktoken(model));
    for (const { text, ids } of records) {
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(text);
    }
  });

  it("gives the ids that the same vocabulary gives in a GGUF file", () => {
    const { tokens } = specFromTiktoken(model);
    const meta = { model: "gpt2", pre: "kimi-k2", tokens: tokens.map((token) => token!) };
    const tokenizer = new Tokenizer(specFromGguf(meta));
    for (const { text, ids } of records) expect(tokenizer.encode(text)).toEqual(ids);
  });

  it("the 256 ids after the ranks are added tokens, named or reserved", () => {
    const addedTokensDecoder = {
      1200: { content: "[BOS]", special: true },
      1202: { content: "<|im_end|>", special: true },
      1203: { content: "<think>", special: false },
    };
    const spec = specFromTiktoken(model, {
      addedTokensDecoder,
      bosToken: "[BOS]",
      eosToken: "<|im_end|>",
      addBos: true,
    });
    expect([spec.bosId, spec.eosId, spec.addBos]).toEqual([1200, 1202, true]);
    const tokenizer = new Tokenizer(spec);
    expect(tokenizer.size).toBe(1200 + 256);
    const text = "[BOS]<think><|reserved_token_1201|><|reserved_token_1455|>";
    expect(tokenizer.encode(text, { special: true })).toEqual([1200, 1203, 1201, 1455]);
    expect(tokenizer.decode([1200, 1203, 1201], { skipSpecial: true })).toBe("<think>");
    expect(tokenizer.encode(text).every((id) => id < 1200)).toBe(true);
  });

  it("does not mind an empty last line or Windows line ends", () => {
    expect(specFromTiktoken("YQ== 0\r\nYg== 1\r\n\n").tokens).toEqual(["a", "b"]);
  });

  const wrong: [string, string, number][] = [
    ["a line without a rank", "YQ== 0\nYg==\n", 7],
    ["what is not base64", "YQ= 0\n", 0],
    ["a rank out of order", "YQ== 0\nYg== 2\n", 7],
    ["a rank that is no number", "YQ== 0x\n", 0],
    ["another kind of file", "PK\u0003\u0004", 0],
  ];
  for (const [what, text, offset] of wrong)
    it(`refuses ${what} with its offset`, () => {
      const error = (() => {
        try {
          specFromTiktoken(text);
        } catch (caught) {
          return caught;
        }
      })();
      expect(error).toBeInstanceOf(FormatError);
      expect(error).toMatchObject({ file: "tiktoken.model", offset });
    });

  it("refuses added tokens outside of the reserved ids and names that are not there", () => {
    const decoder = (id: string) => ({ addedTokensDecoder: { [id]: { content: "x" } } });
    for (const id of ["0", "1199", "1456", "-1", "abc"])
      expect(() => specFromTiktoken(model, decoder(id))).toThrow(
        /added_tokens_decoder\[.*want an id from 1200 to 1455/,
      );
    expect(() => specFromTiktoken(model, { addedTokensDecoder: [] })).toThrow(ConfigError);
    expect(() => specFromTiktoken(model, { bosToken: "[BOS]" })).toThrow(/^bos_token: /);
  });
});
