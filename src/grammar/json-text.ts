import { codePoints, difference, pairs } from "./code-points.ts";
import {
  ANY_CHARACTER,
  characters,
  choice,
  type Expr,
  type Grammar,
  oneOf,
  optional,
  repeat,
  sequence,
  text,
} from "./expr.ts";

/**
 * White space that JSON may have here: one space behind `:` and `,`, or none. Models write either; more would let them
 * write white space for ever.
 */
const SPACE = optional(text(" "));
export const COMMA = sequence(",", SPACE);
export const COLON = sequence(":", SPACE);

/** Characters of a JSON string that must be escaped. */
const ESCAPED = codePoints([0, 0x1f], [0x22, 0x22], [0x5c, 0x5c]);
const HEX = oneOf(["0", "9"], ["a", "f"], ["A", "F"]);
const DIGIT = oneOf(["0", "9"]);

/** One character in a JSON string, escaped in any of the ways JSON has; no half of a surrogate pair. */
export const STRING_CHARACTER: Expr = choice(
  characters(difference([0, 0x10ffff], ESCAPED)),
  sequence("\\", oneOf('"\\/bfnrt')),
  sequence(
    "\\u",
    choice(
      sequence(oneOf(["0", "9"], "abcABCefEF"), HEX, HEX, HEX),
      sequence(oneOf("dD"), oneOf(["0", "7"]), HEX, HEX),
      sequence(oneOf("dD"), oneOf("89abAB"), HEX, HEX, "\\u", oneOf("dD"), oneOf(["c", "f"], ["C", "F"]), HEX, HEX),
    ),
  ),
);

/** An expression as it is written inside a JSON string: each character in the one way of `JSON.stringify`. */
export function inString(expr: Expr): Expr {
  switch (expr.kind) {
    case "text":
      return text(JSON.stringify(expr.text).slice(1, -1));
    case "class": {
      const raw = difference(expr.points, ESCAPED);
      const escaped: Expr[] = [];
      for (const [lo, hi] of pairs(expr.points)) {
        for (const [from, to] of pairs(ESCAPED)) {
          for (let c = Math.max(lo, from); c <= Math.min(hi, to); c++)
            escaped.push(inString(text(String.fromCodePoint(c))));
        }
      }
      return raw.length === 0 ? choice(...escaped) : choice(characters(raw), ...escaped);
    }
    case "sequence":
      return sequence(...expr.parts.map(inString));
    case "choice":
      return choice(...expr.options.map(inString));
    case "repeat":
      return repeat(inString(expr.item), expr.min, expr.max);
    default:
      return expr;
  }
}

/** One character in a JSON string as `JSON.stringify` writes it. */
export const PLAIN_CHARACTER: Expr = inString(ANY_CHARACTER);

/** A value, written as `JSON.stringify` does, with the spaces that are allowed. */
export function jsonLiteral(value: unknown): Expr {
  if (typeof value !== "object" || value === null) return text(JSON.stringify(value));
  if (Array.isArray(value)) return sequence("[", ...separated(value.map(jsonLiteral)), "]");
  const members = Object.entries(value).map(([key, item]) => sequence(JSON.stringify(key), COLON, jsonLiteral(item)));
  return sequence("{", ...separated(members), "}");
}

function separated(items: readonly Expr[]): Expr[] {
  return items.flatMap((item, i) => (i === 0 ? [item] : [COMMA, item]));
}

const SIGN = optional(text("-"));
/** At most 19 digits, so that it ends; enough for 64 bits. */
const DIGITS = choice("0", sequence(oneOf(["1", "9"]), repeat(DIGIT, 0, 18)));
const FRACTION = sequence(".", repeat(DIGIT, 1, 17));
/** One digit before the point and an exponent below 300: never infinite. */
const EXPONENT = sequence(
  oneOf("eE"),
  optional(oneOf("+-")),
  choice(repeat(DIGIT, 1, 2), sequence(oneOf("12"), DIGIT, DIGIT)),
);

export const INTEGER: Expr = sequence(SIGN, DIGITS);
export const NUMBER: Expr = choice(
  sequence(SIGN, DIGITS, optional(FRACTION)),
  sequence(SIGN, DIGIT, optional(FRACTION), EXPONENT),
);
export const BOOLEAN: Expr = choice("true", "false");
export const NULL: Expr = text("null");

/** Rules that any grammar of JSON shares. */
export interface JsonRules {
  readonly string: Expr;
  readonly value: Expr;
  readonly object: Expr;
  readonly array: Expr;
}

export function jsonRules(grammar: Grammar): JsonRules {
  const string = grammar.define("string", sequence('"', repeat(STRING_CHARACTER, 0), '"'));
  const number = grammar.define("number", NUMBER);
  const value: Expr = { kind: "rule", rule: grammar.add("value") };
  const list = (item: Expr): Expr => ({
    kind: "members",
    members: [{ expr: item, occurs: "many" }],
    separator: COMMA,
  });
  const object = grammar.define("object", sequence("{", list(sequence(string, COLON, value)), "}"));
  const array = grammar.define("array", sequence("[", list(value), "]"));
  grammar.rules[value.rule]!.expr = choice(object, array, string, number, BOOLEAN, NULL);
  return { string, value, object, array };
}
