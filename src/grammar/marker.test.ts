import { expect, it } from "vitest";
import { smallVocabulary } from "../../test/grammar/small-vocabulary.ts";
import { compileGrammar, type GrammarSource } from "./compile-grammar.ts";

const ADDED = ["<think>", "</think>"];
const vocabulary = smallVocabulary([], ADDED);
const [begin, end] = ADDED.map((text, i) => ({ text, id: 256 + i }));

/** Whether a text may be written, and whether it may end there. */
async function follow(source: GrammarSource, text: string): Promise<"refused" | "open" | "complete"> {
  const matcher = (await compileGrammar(source, vocabulary)).start();
  const parts = text.split(/(<\/?think>)/).filter((part) => part !== "");
  const tokens = parts.flatMap((part) =>
    ADDED.includes(part) ? [256 + ADDED.indexOf(part)] : [...new TextEncoder().encode(part)],
  );
  for (const token of tokens) if (!matcher.accept(token)) return "refused";
  return matcher.canEnd ? "complete" : "open";
}

const form = { type: "choice", choices: ["yes", "no"] } as const;
const begun = { ...form, reasoning: { begin: null, end: end! } };
const possible = { ...form, reasoning: { begin: begin!, end: end! } };

it.each<[what: string, source: GrammarSource, text: string, expected: string]>([
  ["no reasoning", form, "yes", "complete"],
  ["reasoning where none is", form, "<think>", "refused"],
  ["reasoning that the prompt began", begun, 'any {"text}\n</think>\n\nyes', "complete"],
  ["reasoning of nothing", begun, "</think>no", "complete"],
  ["the answer in it", begun, "yes", "open"],
  ["another answer behind it", begun, "well</think>maybe", "refused"],
  ["more newlines than belong to it", begun, "</think>\n\n\n", "refused"],
  ["reasoning that may be left out", possible, "yes", "complete"],
  ["reasoning that the model begins", possible, "<think>well</think>no", "complete"],
  ["text before it", possible, "a<think>", "refused"],
])("%s", async (_, source, text, expected) => {
  expect(await follow(source, text)).toBe(expected);
});

it("is ended by the text where the vocabulary has no token for it", async () => {
  const written = { ...form, reasoning: { begin: null, end: { text: "</think>", id: null } } };
  const matcher = (await compileGrammar(written, vocabulary)).start();
  for (const byte of new TextEncoder().encode("well</think>yes")) expect(matcher.accept(byte)).toBe(true);
  expect(matcher.mustEnd).toBe(true);
});
