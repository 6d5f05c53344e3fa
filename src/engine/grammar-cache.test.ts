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

it("what was checked is not compiled again, unless reasoning comes before it", async () => {
  let reads = 0;
  const source = (value: string) => {
    const schema = {
      get const() {
        reads++;
        return value;
      },
    };
    return { type: "json_schema", schema } as const;
  };
  const readsOf = async (get: () => unknown) => {
    reads = 0;
    await get();
    return reads;
  };
  const grammars = new GrammarCache(bytes());
  const asKey = await readsOf(() => JSON.stringify(source("a")));
  const checked = await readsOf(() => grammars.check(source("a")));
  expect(checked).toBeGreaterThan(asKey);
  expect(await readsOf(() => grammars.check(source("a")))).toBe(asKey);
  expect(await readsOf(() => grammars.get({ ...source("a"), reasoning: null }, never))).toBe(2 * asKey);
  const reasoning = { begin: null, end: { text: "x", id: null } };
  const compiled = await grammars.get({ ...source("a"), reasoning }, never);
  const matcher = compiled.start();
  for (const byte of new TextEncoder().encode('why x"a"')) expect(matcher.accept(byte)).toBe(true);
  expect(matcher.mustEnd).toBe(true);
  expect(() => grammars.check({ type: "json_schema", schema: { not: {} } })).toThrow(GrammarError);
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
