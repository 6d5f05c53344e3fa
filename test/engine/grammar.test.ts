import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { openReference } from "../../src/backends/reference/backend.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { GrammarCache } from "../../src/engine/grammar-cache.ts";
import type { GrammarSource } from "../../src/grammar/compile-grammar.ts";
import { GrammarError } from "../../src/grammar/grammar-error.ts";
import type { TokenSource } from "../../src/grammar/vocabulary.ts";
import { HOSTILE_SOURCES } from "../grammar/hostile-sources.ts";
import { answer, type EmbeddedModel, openEmbedded, userTurn } from "./embedded-engine.ts";

const PERSON: GrammarSource = {
  type: "json_schema",
  schema: {
    type: "object",
    properties: { name: { type: "string", maxLength: 12 }, age: { type: "integer", minimum: 0, maximum: 150 } },
    required: ["name", "age"],
    additionalProperties: false,
  },
};

describe("an engine with grammars", () => {
  let model: EmbeddedModel;
  let engine: Engine;

  beforeAll(async () => {
    model = await openEmbedded(openReference());
  });

  afterAll(() => model.close());

  async function opened(): Promise<void> {
    engine = await model.newEngine({ parallel: 3, maxWaiting: 8 });
    onTestFinished(() => engine.close());
  }

  it("holds an answer to one, whatever the seed", async () => {
    await opened();
    const prompt = await userTurn(engine, "Hello");
    for (let seed = 1n; seed <= 3n; seed++) {
      const { text, end } = await answer(engine, { prompt, maxTokens: 80, sampling: { seed }, grammar: PERSON });
      expect(end.reason).toBe("stop");
      const { name, age } = JSON.parse(text) as { name: string; age: number };
      expect(Array.from(name).length).toBeLessThanOrEqual(12);
      expect(age).toBeGreaterThanOrEqual(0);
      expect(age).toBeLessThanOrEqual(150);
    }
  });

  it("gives the same seed the same text, alone and among others", async () => {
    await opened();
    const prompt = await userTurn(engine, "Hello");
    const ask = (grammar: GrammarSource | null) =>
      answer(engine, { prompt, maxTokens: 40, sampling: { seed: 7n }, grammar });
    const alone = await ask(PERSON);
    const [among, , choice] = await Promise.all([
      ask(PERSON),
      ask(null),
      ask({ type: "choice", choices: ["yes", "no"] }),
      ask(PERSON),
    ]);
    expect(among!.text).toBe(alone.text);
    expect(["yes", "no"]).toContain(choice!.text);
  });

  it("refuses a grammar that is wrong before anything is computed, and goes on", async () => {
    await opened();
    const prompt = await userTurn(engine, "Hello");
    const wrong = answer(engine, { prompt, maxTokens: 5, grammar: { type: "regex", pattern: "(" } });
    await expect(wrong).rejects.toThrow(GrammarError);
    expect(engine.activity.steps).toBe(0);
    const right = await answer(engine, { prompt, maxTokens: 5, grammar: { type: "regex", pattern: "[0-9]{2}" } });
    expect(right.text).toMatch(/^[0-9]{2}$/);
  });

  it("stops compiling when the client leaves, the time is up or the engine closes", async () => {
    await opened();
    const prompt = await userTurn(engine, "Hello");
    const abort = new AbortController();
    const left = answer(engine, { prompt, maxTokens: 5, grammar: PERSON }, { signal: abort.signal });
    abort.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
    const late = answer(engine, { prompt, maxTokens: 5, grammar: { ...PERSON, reasoning: null }, timeoutMs: 0.1 });
    await expect(late).rejects.toMatchObject({ status: 504 });
    const closed = answer(engine, { prompt, maxTokens: 5, grammar: PERSON });
    const [outcome] = await Promise.allSettled([closed, engine.close()]);
    expect(outcome).toMatchObject({ status: "rejected", reason: { status: 503 } });
    expect(engine.activity).toMatchObject({ steps: 0, running: 0, waiting: 0 });
  });
});

describe("a cache of grammars", () => {
  /** All bytes; counts how often a vocabulary is made of them. */
  class Bytes implements TokenSource {
    readonly size = 256;
    made = 0;
    tokenBytes(id: number): Uint8Array {
      if (id === 0) this.made++;
      return Uint8Array.of(id);
    }
    addedToken(): null {
      return null;
    }
  }

  const never = new AbortController().signal;
  const choice = (text: string): GrammarSource => ({ type: "choice", choices: [text] });

  it("compiles each source once, also for those who ask at the same time", async () => {
    const tokens = new Bytes();
    const cache = new GrammarCache(tokens);
    const [a, b, c] = await Promise.all([
      cache.get(choice("a"), never),
      cache.get(choice("a"), never),
      cache.get(choice("b"), never),
    ]);
    expect(b).toBe(a);
    expect(c).not.toBe(a);
    expect(await cache.get(choice("a"), never)).toBe(a);
    expect(tokens.made).toBe(1);
  });

  it("keeps those that were used last", async () => {
    const cache = new GrammarCache(new Bytes());
    const [a, b] = [await cache.get(choice("a"), never), await cache.get(choice("b"), never)];
    for (const text of "cdefghi") {
      await cache.get(choice(text), never);
      expect(await cache.get(choice("a"), never)).toBe(a);
    }
    expect(await cache.get(choice("b"), never)).not.toBe(b);
  });

  it("ends the wait of the one who leaves, and nobody else's", async () => {
    const cache = new GrammarCache(new Bytes());
    const abort = new AbortController();
    const [leaving, staying] = [cache.get(PERSON, abort.signal), cache.get(PERSON, never)];
    abort.abort(new Error("left"));
    await expect(leaving).rejects.toThrow("left");
    expect(await staying).toBe(await cache.get(PERSON, never));
  });

  it("refuses what is too deep for a key as what it is", async () => {
    const cache = new GrammarCache(new Bytes());
    await expect(cache.get(HOSTILE_SOURCES["arrays 100,000 deep"]!(), never)).rejects.toThrow(GrammarError);
  });

  it("begins anew after all have left, and after an error", async () => {
    const cache = new GrammarCache(new Bytes());
    const abort = new AbortController();
    const leaving = cache.get(PERSON, abort.signal);
    abort.abort(new Error("left"));
    const again = cache.get(PERSON, never);
    await expect(leaving).rejects.toThrow("left");
    expect((await again).start().canEnd).toBe(false);
    const wrong: GrammarSource = { type: "regex", pattern: "(" };
    await expect(cache.get(wrong, never)).rejects.toThrow(GrammarError);
    await expect(cache.get(wrong, never)).rejects.toThrow(GrammarError);
  });
});
