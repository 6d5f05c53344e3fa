import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileGrammar, type GrammarSource } from "../../src/grammar/compile-grammar.ts";
import { GrammarError } from "../../src/grammar/grammar-error.ts";
import { Vocabulary } from "../../src/grammar/vocabulary.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { specFromTokenizerJson } from "../../src/tokenizer/tokenizer-json.ts";
import { skipMissing } from "../skip.ts";
import { deepseekV3Json, NO_DEEPSEEK_V3 } from "../vectors/tokenizer/read.ts";
import { RandomAnswers } from "./random-answer.ts";
import { SAMPLE_SOURCES } from "./sample-sources.ts";
import { smallVocabulary } from "./small-vocabulary.ts";

const v3Json = deepseekV3Json();
const v3 = v3Json === null ? null : Vocabulary.of(new Tokenizer(specFromTokenizerJson(JSON.parse(v3Json))));
const small = smallVocabulary([
  '":',
  '", "',
  '"}',
  "}}",
  '{"',
  "name",
  ", ",
  "true",
  "0.5",
  "ab",
  "日本",
  "😀",
  "\\n",
  '\\"',
  "\\u",
]);

const smallAnswers = new RandomAnswers(small);
const v3Answers = v3 && new RandomAnswers(v3);

function validator(schema: unknown): (value: unknown) => string | null {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  const validate = ajv.compile(schema as object);
  return (value) => (validate(value) ? null : ajv.errorsText(validate.errors));
}

/**
 * Random answers of a source: those that end must be JSON and satisfy a validator that we did not write.
 * @returns how many ended
 */
async function checkAnswers(
  source: GrammarSource,
  schema: unknown,
  vocabulary: Vocabulary,
  seeds: number,
): Promise<number> {
  const grammar = await compileGrammar(source, vocabulary);
  const validate = validator(schema);
  const answers = vocabulary === v3 ? v3Answers! : smallAnswers;
  let finished = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const { bytes, ended } = answers.make(grammar.start(), seed);
    if (!ended) continue;
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    expect(validate(JSON.parse(text)), text).toBeNull();
    finished++;
  }
  return finished;
}

const FORMATS = ["date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"];

/** Schemas of the supported keywords, whose values a random answer may well reach. */
const schemas: fc.Memo<unknown> = fc.memo((depth) => (depth > 1 ? fc.oneof(scalars, containers(depth)) : scalars));
const bounds = fc.tuple(
  fc.integer({ min: -2000, max: 2000 }),
  fc.integer({ min: 0, max: 3000 }),
  fc.constantFrom(1, 10, 1000),
);
const scalars: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(
    { type: "string" },
    { type: "boolean" },
    { type: "null" },
    { type: "number" },
    { type: "integer" },
    {},
  ),
  fc.constantFrom(...FORMATS).map((format) => ({ type: "string", format })),
  fc.tuple(fc.nat(8), fc.nat(30)).map(([min, more]) => ({ type: "string", minLength: min, maxLength: min + more })),
  fc
    .constantFrom("^[a-c]+$", "x\\d{2,}", "^(ab|cd)*$", '^"q\\\\?"', "[^a-z]{3}$", "^$|^.{2}$")
    .map((pattern) => ({ pattern, type: "string" })),
  bounds.map(([low, size, unit]) => ({ type: "integer", minimum: low, maximum: low + size * unit })),
  bounds.map(([low, size, unit]) => ({
    type: "number",
    exclusiveMinimum: low / unit,
    maximum: (low + size + 1) / unit,
  })),
  fc.integer({ min: 1, max: 40 }).map((multipleOf) => ({ type: "integer", multipleOf })),
  fc.uniqueArray(fc.jsonValue({ maxDepth: 1 }), { minLength: 1, maxLength: 4 }).map((values) => ({ enum: values })),
  fc.constantFrom({ type: ["string", "null"] }, { anyOf: [{ type: "integer" }, { const: "none" }] }),
);
const containers = (depth: number): fc.Arbitrary<unknown> =>
  fc.oneof(
    fc
      .tuple(
        fc.dictionary(fc.string({ maxLength: 6 }), schemas(depth - 1), { maxKeys: 4 }),
        fc.func(fc.boolean()),
        fc.constantFrom(false, true, { type: "integer" }),
      )
      .map(([properties, needs, additionalProperties]) => ({
        type: "object",
        properties,
        required: Object.keys(properties).filter((name) => needs(name)),
        additionalProperties,
      })),
    fc
      .tuple(schemas(depth - 1), fc.nat(3), fc.nat(3))
      .map(([items, minItems, more]) => ({ type: "array", items, minItems, maxItems: minItems + more })),
    fc
      .array(schemas(depth - 1), { minLength: 1, maxLength: 3 })
      .map((prefixItems) => ({ type: "array", prefixItems, items: false })),
    fc.array(schemas(depth - 1), { minLength: 2, maxLength: 3 }).map((anyOf) => ({ anyOf })),
  );

describe("a random answer", () => {
  const named = Object.entries(SAMPLE_SOURCES).flatMap(([name, source]) =>
    source.type === "json_schema" ? [{ name, source, schema: source.schema }] : [],
  );

  it.each([...named, { name: "any object", source: SAMPLE_SOURCES.object!, schema: { type: "object" } }])(
    "is valid, DeepSeek-V3, $name",
    async ({ source, schema }) => {
      expect(await checkAnswers(source, schema, v3 ?? small, 30)).toBeGreaterThan(25);
    },
  );

  it("is made of the tokens of DeepSeek-V3", (t) => {
    if (v3 === null) return skipMissing(t, NO_DEEPSEEK_V3);
    expect(v3.size).toBe(128_815);
  });

  it("is valid for random schemas", async () => {
    let [refused, finished] = [0, 0];
    const property = fc.asyncProperty(schemas(3), fc.nat(1000), async (schema, seed) => {
      try {
        finished += await checkAnswers({ type: "json_schema", schema }, schema, small, 2 + (seed % 2));
      } catch (error) {
        if (!(error instanceof GrammarError && error.message.endsWith("no text can match"))) throw error;
        refused++;
      }
    });
    await fc.assert(property, { numRuns: 200, seed: 5 });
    expect(refused).toBeLessThan(20);
    expect(finished).toBeGreaterThan(400);
  });
});
