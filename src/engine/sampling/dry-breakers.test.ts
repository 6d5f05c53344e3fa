import { expect, it } from "vitest";
import { breakerSequences } from "./dry-breakers.ts";

it("breaks at every token that holds the string, and at the tokens that make it up", () => {
  const texts = ["a", "\n", ":\n", "#", " "];
  const vocabulary = {
    size: texts.length,
    textOf: (token: number) => texts[token]!,
    encode: (text: string) => [...text].map((character) => texts.indexOf(character)),
  };
  expect(breakerSequences(["\n", "# a"], vocabulary)).toEqual([[1], [2], [3, 4, 0]]);
  expect(breakerSequences([], vocabulary)).toEqual([]);
});
