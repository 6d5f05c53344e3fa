import fc from "fast-check";
import { expect, test } from "vitest";
import { findJsonProblem } from "./json-text.ts";

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test("a text has no problem exactly when JSON.parse takes it", () => {
  const brokenJson = fc
    .tuple(fc.json(), fc.nat(), fc.nat(3), fc.string({ maxLength: 3 }))
    .map(
      ([json, at, gone, put]) =>
        json.slice(0, at % (json.length + 1)) + put + json.slice((at % (json.length + 1)) + gone),
    );
  const jsonish = fc.array(
    fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"',
      "a",
      '"b"',
      "\\",
      "\\u00",
      "e4",
      "-",
      "0",
      "1.5",
      "true",
      "nul",
      " ",
      "\n",
      "\u0001",
    ),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        brokenJson,
        jsonish.map((parts) => parts.join("")),
      ),
      (text) => {
        expect(findJsonProblem(text, 1000) === null).toBe(parses(text));
      },
    ),
    { numRuns: 3000 },
  );
});

test.each([
  ['{"a":}', 5, "want a value"],
  ['{"a": 1,}', 8, "want a name in double quotes"],
  ["{'a': 1}", 1, "want a name in double quotes"],
  ['{"a" 1}', 5, 'want ":" after the name'],
  ["[1 2]", 3, 'want "," or "]"'],
  ['{"a": 1} x', 9, "want nothing more after the value"],
  ['["a\nb"]', 3, "a control character in a string must be escaped"],
  ['["\\x"]', 3, "not an escape sequence"],
  ['{"a": "b', 8, "the string does not end, but the text ends"],
  ["[1, ", 4, "want a value, but the text ends"],
])("%s: offset %i, %s", (text, offset, message) => {
  expect(findJsonProblem(text, 10)).toMatchObject({ offset, message });
});

test("nesting is counted up to the limit, brackets of both kinds", () => {
  expect(findJsonProblem('[{"a":[0]}]', 3)).toBeNull();
  expect(findJsonProblem('[{"a":[[0]]}]', 3)).toMatchObject({ offset: 7, message: "nested deeper than 3 levels" });
  expect(findJsonProblem("[[],[],[[]]]", 3)).toBeNull();
});

test("a member of the outermost object may be as long as its limit, which is known before the rest is read", () => {
  const limitOf = (name: string) => (name === "tools" ? 10 : 1000);
  const problem = (text: string) => findJsonProblem(text, 10, limitOf);
  expect(problem('{"a": "longer than ten", "tools":[1234567], "b": "longer than ten"}')).toBeNull();
  for (const tools of ["[123456789]", '["0",{"a":0}]', '"123456789"', "{}          ", "12345678901"]) {
    const tooLong = tools.trimEnd().length > 10;
    expect(problem(`{"tools":${tools}}`)).toEqual(tooLong ? expect.objectContaining({ tooLong: "tools" }) : null);
    expect(problem(`{"too\\u006cs":${tools}, broken`)).toMatchObject({ tooLong: tooLong ? "tools" : null });
    expect(problem(`{"x":{"tools":${tools}}}`)).toBeNull();
    expect(problem(`[{"tools":${tools}}]`)).toBeNull();
  }
});

test("millions of brackets are refused at the first that is too deep", () => {
  expect(findJsonProblem("[".repeat(4e6), 100)).toMatchObject({ offset: 100 });
});
