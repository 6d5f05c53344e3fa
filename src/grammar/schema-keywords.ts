/** A JSON Schema keyword and what is made of it: the table in docs/STRUCTURED.md. */
export interface Keyword {
  readonly name: string;
  readonly meaning: string;
}

/** Keywords that are honoured. */
export const KEYWORDS: readonly Keyword[] = [
  { name: "type", meaning: "one type or a list of them" },
  { name: "enum", meaning: "each value as `JSON.stringify` writes it" },
  { name: "const", meaning: "as `enum` with one value" },
  { name: "$ref", meaning: "`#` and JSON pointers into the same schema (`#/$defs/...`); may be recursive" },
  { name: "$defs", meaning: "also under its older name `definitions`" },
  { name: "anyOf", meaning: "" },
  {
    name: "oneOf",
    meaning: "where no value can fit two alternatives: other types, or other values of a required property",
  },
  { name: "allOf", meaning: "" },
  {
    name: "properties",
    meaning: "in the order of the schema, optional ones may be left out; any further ones come last",
  },
  { name: "required", meaning: "" },
  { name: "additionalProperties", meaning: "`true` (as when it is left out), `false` or a schema" },
  { name: "items", meaning: "one schema" },
  { name: "prefixItems", meaning: "" },
  { name: "minItems", meaning: "at most 2048" },
  { name: "maxItems", meaning: "at most 2048" },
  { name: "minLength", meaning: "in characters" },
  { name: "maxLength", meaning: "in characters" },
  { name: "pattern", meaning: "without look-around, back references, `\\b` and `\\p`" },
  { name: "format", meaning: "" },
  { name: "minimum", meaning: "bounded numbers are written without exponent and have at most 15 digits" },
  { name: "maximum", meaning: "" },
  { name: "exclusiveMinimum", meaning: "" },
  { name: "exclusiveMaximum", meaning: "" },
  { name: "multipleOf", meaning: "an integer from 1 to 1000" },
];

/** Keywords that say nothing about what is valid. */
export const ANNOTATIONS: readonly string[] = [
  "title",
  "description",
  "default",
  "example",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
  "$comment",
  "$schema",
];

const KNOWN: ReadonlySet<string> = new Set([...KEYWORDS.map(({ name }) => name), "definitions", ...ANNOTATIONS]);

/** Whether a keyword is honoured or may be left aside; names that start with `x-` are annotations by custom. */
export function isKnownKeyword(name: string): boolean {
  return KNOWN.has(name) || name.startsWith("x-");
}
