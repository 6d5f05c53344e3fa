import type { GrammarSource } from "../../src/grammar/compile-grammar.ts";

const schema = (value: unknown): GrammarSource => ({ type: "json_schema", schema: value });
const pattern = (value: string) =>
  schema({ type: "object", properties: { field: { type: "string", pattern: value } } });
const nested = (depth: number, wrap: (inner: unknown) => unknown): unknown => {
  let value: unknown = { type: "string" };
  for (let i = 0; i < depth; i++) value = wrap(value);
  return value;
};
const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
/** Each definition refers twice to the next: 2^count paths. */
const doubling = (count: number, make: (next: unknown) => unknown): unknown => ({
  $defs: Object.fromEntries(many(count, (i) => [`d${i}`, make({ $ref: `#/$defs/d${i + 1}` })])),
  $ref: "#/$defs/d0",
});

/** Of these: large, but compiled within the limits. */
export const COMPILED_SOURCES: readonly string[] = [
  "a regular expression with counts in counts",
  "GBNF of nested counts",
  "GBNF of doubling rules",
];

/** What attackers send: each must be refused, soon, and by the place of the fault where one field is at fault. */
export const HOSTILE_SOURCES: Readonly<Record<string, () => GrammarSource>> = {
  "arrays 100,000 deep": () => schema(nested(100_000, (items) => ({ type: "array", items }))),
  "objects 5,000 deep": () => schema(nested(5_000, (a) => ({ type: "object", properties: { a }, required: ["a"] }))),
  "anyOf 5,000 deep": () => schema(nested(5_000, (inner) => ({ anyOf: [inner, { type: "null" }] }))),
  "allOf 5,000 deep": () => schema(nested(5_000, (inner) => ({ allOf: [inner] }))),
  "50,000 properties": () =>
    schema({ type: "object", properties: Object.fromEntries(many(50_000, (i) => [`property${i}`, {}])) }),
  "an enum of 1,000,000 numbers": () => schema({ enum: many(1_000_000, (i) => i) }),
  "30 anyOf of 4 in one allOf": () =>
    schema({ allOf: many(30, (i) => ({ anyOf: many(4, (j) => ({ required: [`a${i}_${j}`] })) })) }),
  "oneOf of 2,000": () =>
    schema({ oneOf: many(2_000, (i) => ({ properties: { kind: { const: i } }, required: ["kind"] })) }),
  "a $ref to itself": () => schema({ $ref: "#" }),
  "$refs in a circle": () =>
    schema({ $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } }, $ref: "#/$defs/a" }),
  "a $ref to itself in allOf": () => schema({ allOf: [{ $ref: "#" }] }),
  "a $ref to itself in anyOf": () => schema({ anyOf: [{ $ref: "#" }, { type: "null" }] }),
  "doubling $refs in allOf": () => schema(doubling(60, (next) => ({ allOf: [next, { anyOf: [next, next] }] }))),
  "doubling $refs in anyOf": () => schema(doubling(60, (next) => ({ anyOf: [next, { anyOf: [next, next] }] }))),
  "maxItems 1e9": () => schema({ type: "array", maxItems: 1e9 }),
  "minItems 2048 thrice": () =>
    schema(
      nested(3, (items) => ({ type: "array", minItems: 2048, maxItems: 2048, prefixItems: many(50, () => items) })),
    ),
  "a pattern of nested repetitions": () => pattern("^((((a{100}){100}){100}){100}){100}$"),
  "a pattern of nested optional repetitions": () => pattern("((((a?){1000}){1000}b?){1000}c?){1000}"),
  "a pattern that needs 2^30 states": () => pattern("^(a|b)*a(a|b){30}$"),
  "a pattern of many wild parts": () => pattern(many(200, () => ".*a.{20}").join("")),
  "a pattern and a length": () =>
    schema({ type: "string", pattern: "^(a|b)*a(a|b){12}$", minLength: 1000, maxLength: 2000 }),
  "a pattern of 10,000 groups": () => pattern("(".repeat(1_900) + "a" + ")".repeat(1_900)),
  "a regular expression with counts in counts": () => ({ type: "regex", pattern: "((a{1,1000}b){1,1000}c){1,1000}" }),
  "GBNF with left recursion": () => ({ type: "gbnf", grammar: 'root ::= root "a" | "b"' }),
  "GBNF with hidden left recursion": () => ({ type: "gbnf", grammar: 'root ::= e e root "a" | "b"\ne ::= "x"?' }),
  "GBNF of 3,000 rules that may be empty": () => ({
    type: "gbnf",
    grammar:
      many(3_000, (i) => `r${i} ::= ("x" r${i})? r${i + 1} r${i + 1}`).join("\n") + '\nr3000 ::= "a"?\nroot ::= r0',
  }),
  "GBNF of nested counts": () => ({
    type: "gbnf",
    grammar: 'root ::= a{1000}\na ::= b{1000} "x"\nb ::= c{1000} "y"\nc ::= "z"{1000}',
  }),
  "GBNF nested 10,000 deep": () => ({
    type: "gbnf",
    grammar: `root ::= ${"(".repeat(10_000)}"a"${")".repeat(10_000)}`,
  }),
  "GBNF of doubling rules": () => ({
    type: "gbnf",
    grammar:
      many(40, (i) => `r${i} ::= r${i + 1} "a" | r${i + 1} "b" r${i}`).join("\n") +
      '\nr40 ::= "z" r40 | "y"\nroot ::= r0',
  }),
};
