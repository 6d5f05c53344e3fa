import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { acceptor, schemaAcceptor } from "../../test/grammar/acceptor.ts";
import { GrammarError } from "./grammar-error.ts";

const matching = (pattern: string) => acceptor({ type: "regex", pattern });

const atoms = fc.constantFrom(
  "a",
  "b",
  "c",
  ".",
  "[ab]",
  "[^b]",
  "\\d",
  "\\w",
  "\\n",
  "é",
  "[a-c1]",
  "(?:ab|c)",
  "\\x61",
  "\\u{1f600}",
  '"',
  "\\\\",
);
const quantifiers = fc.constantFrom("", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,6}", "{5,}", "*?");
const patterns: fc.Memo<string> = fc.memo((depth) => {
  const atom =
    depth > 1
      ? fc.oneof(
          atoms,
          patterns(depth - 1).map((inner) => `(${inner})`),
        )
      : atoms;
  const sequence = fc.array(
    fc.tuple(atom, quantifiers).map((parts) => parts.join("")),
    { maxLength: 3 },
  );
  return fc
    .array(
      sequence.map((parts) => parts.join("")),
      { minLength: 1, maxLength: 2 },
    )
    .map((options) => options.join("|"));
});
const texts = fc
  .array(fc.constantFrom("a", "b", "c", "1", "\n", "é", "😀", '"', "\\", " "), { maxLength: 9 })
  .map((c) => c.join(""));

/** Null for the few random patterns whose automaton is too large. */
let tooLarge = 0;
function compiled<T>(compile: () => T): T | null {
  try {
    return compile();
  } catch (error) {
    if (!(error instanceof GrammarError && error.message.includes("too large"))) throw error;
    tooLarge++;
    return null;
  }
}

describe("a regular expression", () => {
  it("matches what JavaScript's does, as a whole", () => {
    const property = fc.property(patterns(2), fc.array(texts, { minLength: 8, maxLength: 8 }), (pattern, samples) => {
      const accepts = compiled(() => matching(pattern));
      const expected = new RegExp(`^(?:${pattern})$`, "u");
      for (const text of accepts === null ? [] : samples)
        expect(accepts!(text), `${pattern} on ${JSON.stringify(text)}`).toBe(expected.test(text));
    });
    fc.assert(property, { numRuns: 400 });
    expect(tooLarge).toBeLessThan(16);
  });

  it("matches in a JSON string what JavaScript's does, anywhere", () => {
    const anchored = fc
      .tuple(fc.constantFrom("", "^"), patterns(2), fc.constantFrom("", "$"))
      .map(([start, pattern, end]) => start + pattern + end);
    const property = fc.property(anchored, fc.array(texts, { minLength: 6, maxLength: 6 }), (pattern, samples) => {
      const accepts = compiled(() => schemaAcceptor({ type: "string", pattern }));
      const expected = new RegExp(pattern, "u");
      for (const text of accepts === null ? [] : samples)
        expect(accepts!(text), `${pattern} on ${JSON.stringify(text)}`).toBe(expected.test(text));
    });
    fc.assert(property, { numRuns: 300 });
    expect(tooLarge).toBeLessThan(32);
  });

  it.each([
    ["a(^b|c)", ["ac"], ["ab", "abc"]],
    ["(a$|b)c?", ["a", "bc", "b"], ["ac"]],
    ["(^|x)y", ["y", "xy"], ["zy"]],
    ["^$", [""], ["a"]],
    ["(a|b)*a(a|b){3}", ["aaaa", "babab"], ["bbbb", "aaa"]],
    ["x{3,200}y", ["xxxy", `${"x".repeat(200)}y`], ["xxy", `${"x".repeat(201)}y`, "xxx"]],
    ["\\cJ\\t[\\b]", ["\n\t\b"], ["J"]],
    ["[^]", ["\n", "😀"], ["", "ab"]],
    ["[]", [], [""]],
  ])("understands %s", (pattern, good, bad) => {
    const accepts = pattern === "[]" ? () => false : matching(pattern);
    for (const text of good) expect(accepts(text), text).toBe(true);
    for (const text of bad) expect(accepts(text), text).toBe(false);
  });

  it.each([
    ["(?=a)", "look-around"],
    ["(?<!a)b", "look-around"],
    ["(a)\\1", "back reference"],
    ["(?<x>a)\\k<x>", "back reference"],
    ["\\bword", "word boundary"],
    ["\\p{L}", "Unicode property"],
    ["a{2,1}", "out of order"],
    ["[z-a]", "out of order"],
    ["a**", "quantifier behind a quantifier"],
    ["*a", "nothing to repeat"],
    ["(a", "( without )"],
    ["a)", "unmatched )"],
    ["[a", "[ without ]"],
    ["a{", "{ that is no quantifier"],
    ["\\q", "unknown escape"],
    ["a\\", "at the end"],
    ["\\ud800", "no character"],
    ["(?i)a", "kind of group"],
    ["a{99999}", "more than 10000"],
  ])("refuses %s", (pattern, says) => {
    expect(() => matching(pattern)).toThrow(says);
    expect(() => matching(pattern)).toThrow(GrammarError);
    expect(() => schemaAcceptor({ properties: { "a/b": { pattern } } })).toThrow("/properties/a~1b/pattern: ");
  });

  it("never fails but by a GrammarError, whatever it is", () => {
    const noise = fc.array(fc.constantFrom(...'()[]{}|*+?^$\\.,-:=!<>0123abpPuxk"é😀'.split("")), { maxLength: 20 });
    fc.assert(
      fc.property(noise, (parts) => {
        try {
          matching(parts.join(""))("ab");
        } catch (error) {
          expect(error).toBeInstanceOf(GrammarError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
