import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { compilePreTokenizer } from "./pre-tokenizer.ts";
import type { SplitBehavior, SplitStep } from "./spec.ts";
import { GGUF_PRE_TOKENIZERS } from "./split-patterns.ts";

interface Vectors {
  texts: string[];
  pieceLengths: Record<string, number[][]>;
}
const vectors: Vectors = JSON.parse(
  readFileSync(new URL("../../test/vectors/tokenizer/pre-tokenizers.json", import.meta.url), "utf8"),
);

function pieces(steps: readonly SplitStep[], text: string): string[] {
  return compilePreTokenizer({ source: "test", preTokenizer: steps })(text);
}

describe("pre-tokenizers", () => {
  for (const [name, expected] of Object.entries(vectors.pieceLengths)) {
    it(`${name} splits as Hugging Face tokenizers does`, () => {
      const { steps } = GGUF_PRE_TOKENIZERS[name]!;
      for (const [i, text] of vectors.texts.entries()) {
        const got = pieces(steps, text);
        expect(got.join("")).toBe(text);
        expect(
          got.map((piece) => Array.from(piece).length),
          JSON.stringify(text),
        ).toEqual(expected[i]);
      }
    });
  }

  it("every name has vectors, its own or those of the name that shares its pattern", () => {
    const tested = new Set(Object.keys(vectors.pieceLengths).map((name) => GGUF_PRE_TOKENIZERS[name]!.steps));
    for (const [name, { steps }] of Object.entries(GGUF_PRE_TOKENIZERS)) expect(tested.has(steps), name).toBe(true);
  });

  // Values from pre_tokenizers.Split("-", behavior).pre_tokenize_str of Hugging Face tokenizers 0.23.3.
  const behaviors: [SplitBehavior, boolean, string[]][] = [
    ["isolated", false, ["the", "-", "final", "-", "-", "countdown"]],
    ["removed", false, ["the", "final", "countdown"]],
    ["mergedWithPrevious", false, ["the-", "final-", "-", "countdown"]],
    ["mergedWithNext", false, ["the", "-final", "-", "-countdown"]],
    ["contiguous", false, ["the", "-", "final", "--", "countdown"]],
    ["removed", true, ["-", "-", "-"]],
    ["mergedWithPrevious", true, ["the", "-final", "-", "-countdown"]],
  ];
  for (const [behavior, invert, expected] of behaviors)
    it(`${behavior}${invert ? ", inverted," : ""} cuts as the original does`, () => {
      const step: SplitStep = { kind: "split", pattern: { literal: "-" }, behavior, invert };
      expect(pieces([step], "the-final--countdown")).toEqual(expected);
    });

  it("a later step sees one piece alone", () => {
    const step = (regex: string): SplitStep => ({
      kind: "split",
      pattern: { regex },
      behavior: "isolated",
      invert: false,
    });
    expect(pieces([step("x"), step("\\s+(?!\\S)")], "a  x  b")).toEqual(["a", "  ", "x", " ", " b"]);
  });

  it("matches without text cut nothing", () => {
    const step: SplitStep = { kind: "split", pattern: { regex: "x*" }, behavior: "isolated", invert: false };
    expect(pieces([step], "a😀xxb")).toEqual(["a😀", "xx", "b"]);
  });

  it("a prefix space goes before pieces that do not start with white space", () => {
    expect(pieces([{ kind: "prefixSpace" }], "a")).toEqual([" a"]);
    expect(pieces([{ kind: "prefixSpace" }], "\u0085a")).toEqual(["\u0085a"]);
  });
});
