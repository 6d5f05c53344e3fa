import { expect, it } from "vitest";
import { GrammarError } from "../grammar/grammar-error.ts";
import type { TokenSource } from "../grammar/vocabulary.ts";
import { GrammarCache } from "./grammar-cache.ts";

/** A token for each byte, and how many were asked for. */
function bytes(): TokenSource & { asked: number } {
  const source = {
    size: 256,
    asked: 0,
    tokenBytes: (id: number) => {
      source.asked++;
      return Uint8Array.of(id);
    },
    addedToken: () => null,
  };
  return source;
}

const never = new AbortController().signal;

it("a grammar that is refused costs no vocabulary", async () => {
  const tokens = bytes();
  const grammars = new GrammarCache(tokens);
  const hostile = { type: "json_schema", schema: { not: {} } } as const;
  await expect(grammars.get(hostile, never)).rejects.toThrow(GrammarError);
  expect(tokens.asked).toBe(0);
  await grammars.get({ type: "choice", choices: ["a"] }, never);
  expect(tokens.asked).toBe(tokens.size);
});

it("an abort while the vocabulary is made ends the wait, and the next one finds it made", async () => {
  const tokens = bytes();
  const grammars = new GrammarCache(tokens);
  const gone = new Error("gone");
  const client = new AbortController();
  const waiting = grammars.get({ type: "choice", choices: ["a"] }, client.signal);
  client.abort(gone);
  await expect(waiting).rejects.toBe(gone);
  const compiled = await grammars.get({ type: "choice", choices: ["a"] }, never);
  expect(compiled.start().accept("a".charCodeAt(0))).toBe(true);
  expect(tokens.asked).toBe(tokens.size);
});
