import { describe, expect, it } from "vitest";
import { GgufMetadata } from "../formats/gguf-metadata.ts";
import type { GgufValue } from "../formats/gguf-values.ts";
import { GGUF_MAX_NEW_TOKENS, generationFromHf, textFromGguf } from "./text.ts";

/** Two letters, their pair, and control tokens. */
const TOKENS = ["<bos>", "<eos>", "<eot>", "a", "b", "ab"];

function metadata(extra: Record<string, GgufValue> = {}): GgufMetadata {
  const values: Record<string, GgufValue> = {
    "tokenizer.ggml.model": { type: "string", value: "gpt2" },
    "tokenizer.ggml.pre": { type: "string", value: "deepseek-v3" },
    "tokenizer.ggml.tokens": { type: "array", of: "string", value: TOKENS },
    "tokenizer.ggml.token_type": { type: "array", of: "i32", value: [3, 3, 3, 1, 1, 1] },
    "tokenizer.ggml.merges": { type: "array", of: "string", value: ["a b"] },
    "tokenizer.ggml.bos_token_id": { type: "u32", value: 0 },
    "tokenizer.ggml.eos_token_id": { type: "u32", value: 1 },
    ...extra,
  };
  return new GgufMetadata("test.gguf", new Map(Object.entries(values)));
}

describe("what a GGUF says about text", () => {
  it("takes the end tokens from eos, eot and eom", () => {
    expect([...textFromGguf(metadata()).endTokens]).toEqual([1]);
    const more = metadata({ "tokenizer.ggml.eot_token_id": { type: "u32", value: 2 } });
    expect([...textFromGguf(more).endTokens]).toEqual([1, 2]);
  });

  it("takes the sampling defaults from general.sampling", () => {
    const { defaults } = textFromGguf(
      metadata({
        "general.sampling.temp": { type: "f32", value: 0.5 },
        "general.sampling.top_k": { type: "i32", value: 20 },
        [GGUF_MAX_NEW_TOKENS]: { type: "u32", value: 99 },
      }),
    );
    expect(defaults).toEqual({ sampling: { temperature: 0.5, topK: 20 }, maxTokens: 99 });
    expect(textFromGguf(metadata()).defaults).toEqual({ sampling: {}, maxTokens: null });
  });

  it("reads the vocabulary and the tokens that templates need", () => {
    const text = textFromGguf(metadata());
    expect(text.tokenizer.encode("ab")).toEqual([5]);
    expect(text).toMatchObject({ bosToken: "<bos>", eosToken: "<eos>", chatTemplate: null });
  });
});

describe("what a Hugging Face directory says about generation", () => {
  it("joins the end tokens of config.json and generation_config.json", () => {
    const { endTokens } = generationFromHf({ eos_token_id: 1 }, { eos_token_id: [1, 7] });
    expect([...new Set(endTokens)]).toEqual([1, 7]);
  });

  it("takes sampling defaults, and greedy where sampling is off", () => {
    const sampled = generationFromHf({}, { do_sample: true, temperature: 0.6, top_p: 0.95, max_new_tokens: 5 });
    expect(sampled.defaults).toEqual({ sampling: { temperature: 0.6, topP: 0.95 }, maxTokens: 5 });
    const greedy = generationFromHf({}, { do_sample: false, temperature: 0.6 });
    expect(greedy.defaults.sampling).toEqual({ temperature: 0 });
    expect(generationFromHf({}, null)).toEqual({ endTokens: [], defaults: { sampling: {}, maxTokens: null } });
  });

  it("names the field that is of the wrong type", () => {
    expect(() => generationFromHf({ eos_token_id: "1" }, null)).toThrow(/eos_token_id.*config\.json/);
    expect(() => generationFromHf({}, { top_k: -1 })).toThrow(/top_k.*generation_config\.json/);
  });
});
