import type { GrammarSource } from "../../src/grammar/compile-grammar.ts";

const schema = (value: unknown): GrammarSource => ({ type: "json_schema", schema: value });

/** Grammars as people write them, by name. */
export const SAMPLE_SOURCES: Readonly<Record<string, GrammarSource>> = {
  person: schema({
    type: "object",
    properties: {
      name: { type: "string" },
      age: { type: "integer", minimum: 0, maximum: 150 },
      email: { type: "string", format: "email" },
      tags: { type: "array", items: { type: "string", maxLength: 20 }, maxItems: 5 },
      address: {
        type: "object",
        properties: { street: { type: "string" }, zip: { type: "string", pattern: "^[0-9]{5}$" } },
        required: ["street"],
        additionalProperties: false,
      },
    },
    required: ["name", "age"],
    additionalProperties: false,
  }),
  steps: schema({
    type: "object",
    properties: {
      steps: {
        type: "array",
        items: {
          type: "object",
          properties: { explanation: { type: "string" }, output: { type: "string" } },
          required: ["explanation", "output"],
          additionalProperties: false,
        },
      },
      final_answer: { type: "string" },
    },
    required: ["steps", "final_answer"],
    additionalProperties: false,
  }),
  tree: schema({
    $defs: {
      node: {
        type: "object",
        properties: {
          value: { type: ["string", "number", "null"] },
          children: { type: "array", items: { $ref: "#/$defs/node" } },
        },
        required: ["value", "children"],
        additionalProperties: false,
      },
    },
    $ref: "#/$defs/node",
  }),
  shapes: schema({
    anyOf: [
      {
        type: "object",
        properties: { kind: { const: "circle" }, radius: { type: "number", exclusiveMinimum: 0 } },
        required: ["kind", "radius"],
        additionalProperties: false,
      },
      {
        type: "object",
        properties: {
          kind: { const: "polygon" },
          points: {
            type: "array",
            minItems: 3,
            items: { type: "array", prefixItems: [{ type: "number" }, { type: "number" }], items: false, minItems: 2 },
          },
        },
        required: ["kind", "points"],
        additionalProperties: false,
      },
    ],
  }),
  bounded: schema({
    type: "object",
    properties: {
      title: { type: "string", minLength: 5, maxLength: 80 },
      body: { type: "string", maxLength: 400 },
      when: { type: "string", format: "date-time" },
      id: { type: "string", format: "uuid" },
      score: { type: "number", minimum: -1, maximum: 1 },
      slug: { type: "string", pattern: "^[a-z0-9]+(-[a-z0-9]+)*$", maxLength: 40 },
    },
    required: ["title", "body", "when", "id", "score", "slug"],
    additionalProperties: false,
  }),
  open: schema({
    type: "object",
    properties: { id: { type: "integer" }, extra: { type: "object" } },
    required: ["id"],
  }),
  object: { type: "json_object" },
  regex: { type: "regex", pattern: "(https?://[a-z0-9.-]+/[^ ]{0,200} |[A-Z][a-z]+, )+end" },
  choice: { type: "choice", choices: ["positive", "negative", "neutral", "mixed feelings"] },
  gbnf: {
    type: "gbnf",
    grammar: `root ::= (expr "=" ws term "\\n")+
expr ::= term ([-+*/] term)*
term ::= ident | num | "(" ws expr ")" ws
ident ::= [a-z] [a-z0-9_]* ws
num ::= [0-9]+ ws
ws ::= [ \\t]*
`,
  },
};
