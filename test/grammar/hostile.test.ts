import { describe, expect, it } from "vitest";
import { Budget, MAX_STEPS } from "../../src/grammar/budget.ts";
import { automatonOf, compileGrammar } from "../../src/grammar/compile-grammar.ts";
import { GrammarError } from "../../src/grammar/grammar-error.ts";
import { COMPILED_SOURCES, HOSTILE_SOURCES } from "./hostile-sources.ts";
import { SAMPLE_SOURCES } from "./sample-sources.ts";
import { smallVocabulary } from "./small-vocabulary.ts";

/** Named by the error: the field at fault. */
const PLACES: Readonly<Record<string, string>> = {
  "a $ref to itself in anyOf": "/anyOf",
  "maxItems 1e9": "/maxItems",
  "oneOf of 2,000": "/oneOf",
  "a pattern of nested repetitions": "/properties/field/pattern",
  "a pattern of nested optional repetitions": "/properties/field/pattern",
  "a pattern that needs 2^30 states": "/properties/field/pattern",
  "a pattern of many wild parts": "/properties/field/pattern",
  "a pattern and a length": "/pattern",
  "a pattern of 10,000 groups": "/properties/field/pattern",
  "GBNF with left recursion": "rule root",
  "GBNF nested 10,000 deep": "line 1",
};

describe("hostile grammars", () => {
  it.each(Object.keys(HOSTILE_SOURCES))("%s: refused by name, after few steps", (name) => {
    const source = HOSTILE_SOURCES[name]!();
    // One large list may overshoot the limit by its own length, before anything is made of it.
    const budget = new Budget();
    if (COMPILED_SOURCES.includes(name)) {
      automatonOf(source, budget);
      expect(budget.steps).toBeLessThan(MAX_STEPS);
      return;
    }
    let refusal: unknown = null;
    try {
      automatonOf(source, budget);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(GrammarError);
    expect((refusal as GrammarError).status).toBe(400);
    expect((refusal as GrammarError).pointer).toBe(PLACES[name] ?? (refusal as GrammarError).pointer);
  });

  it("leave room: what people write takes a part of the steps", () => {
    for (const source of Object.values(SAMPLE_SOURCES)) {
      const budget = new Budget();
      automatonOf(source, budget);
      expect(budget.steps).toBeLessThan(MAX_STEPS / 4);
    }
  });

  it("end where the request does", async () => {
    const reason = new Error("gone");
    const small = smallVocabulary([]);
    await expect(compileGrammar(SAMPLE_SOURCES.person!, small, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    const controller = new AbortController();
    const compiling = compileGrammar(SAMPLE_SOURCES.person!, small, { signal: controller.signal });
    controller.abort(reason);
    await expect(compiling).rejects.toBe(reason);
  });

  it("stay bounded while an answer is made, however ambiguous", async () => {
    const grammar = 'root ::= (a | b | c)* "!"\na ::= "x" a | "x"\nb ::= "x" b "x" | "x"\nc ::= "x" "x" c | "x"';
    const matcher = (await compileGrammar({ type: "gbnf", grammar }, smallVocabulary(["xx", "xxx"]))).start();
    const read = () => {
      for (let i = 0; i < 3000; i++) matcher.accept("x".charCodeAt(0));
    };
    expect(read).toThrow("too ambiguous");
  });
});
