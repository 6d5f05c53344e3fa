import { describe, expect, it } from "vitest";
import { RandomAnswers, tokensOf } from "../../test/grammar/random-answer.ts";
import { smallVocabulary } from "../../test/grammar/small-vocabulary.ts";
import { compileGrammar, type GrammarSource } from "./compile-grammar.ts";

const ADDED = [
  "<｜tool▁calls▁begin｜>",
  "<｜tool▁calls▁end｜>",
  "<｜tool▁call▁begin｜>",
  "<｜tool▁call▁end｜>",
  "<｜tool▁sep｜>",
  "</think>",
];
const vocabulary = smallVocabulary(['{"', '": ', "function", "weather", "time", "json"], ADDED);
const [callsBegin, callsEnd, callBegin, callEnd, separator, thinkEnd] = ADDED.map((text, i) => ({ text, id: 262 + i }));
const parameters = {
  type: "object",
  properties: { city: { type: "string", maxLength: 9 }, days: { type: "integer", minimum: 1, maximum: 7 } },
  required: ["city"],
  additionalProperties: false,
};
type Source = Extract<GrammarSource, { type: "tool_calls" }>;

const source = (rest: Partial<Source>): Source => ({
  type: "tool_calls",
  format: "v3.1",
  tools: [
    { name: "weather", parameters },
    { name: "time", parameters: null },
  ],
  markers: {
    callsBegin: callsBegin!,
    callsEnd: callsEnd!,
    callBegin: callBegin!,
    callEnd: callEnd!,
    separator: separator!,
  },
  required: false,
  parallel: true,
  ...rest,
});

/** Tokens of a text in which added tokens stand by themselves. */
function tokens(text: string): number[] {
  const parts = text.split(new RegExp(`(${ADDED.map((a) => a.replaceAll(/[|]/g, "\\|")).join("|")})`));
  return parts.flatMap((part) =>
    ADDED.includes(part) ? [262 + ADDED.indexOf(part)] : [...new TextEncoder().encode(part)],
  );
}

/** Whether a text may be written, and whether it may end there. */
async function follow(calls: Partial<Source>, text: string): Promise<"refused" | "open" | "complete"> {
  const matcher = (await compileGrammar(source(calls), vocabulary)).start();
  for (const token of tokens(text)) {
    if (!matcher.takes(token)) return "refused";
    expect(tokensOf(matcher.allowed())).toContain(token);
    matcher.accept(token);
  }
  return matcher.canEnd ? "complete" : "open";
}

const JSON_FORM = { type: "json_object" as const };
const v31 = (name: string, args: string) => `${ADDED[2]}${name}${ADDED[4]}${args}${ADDED[3]}`;
const v3 = (name: string, args: string) =>
  `${ADDED[2]}function${ADDED[4]}${name}\n\`\`\`json\n${args}\n\`\`\`${ADDED[3]}`;

describe("tool calls by a grammar", () => {
  it.each([
    ["text alone", {}, "Hello < there", "complete"],
    ["a call behind text", {}, `Wait. ${ADDED[0]}${v31("weather", '{"city": "Oslo"}')}${ADDED[1]}`, "complete"],
    [
      "two calls",
      {},
      `${ADDED[0]}${v31("weather", '{"city": "Oslo","days": 3}')}${v31("time", '{"any":[1]}')}${ADDED[1]}`,
      "complete",
    ],
    ["two calls where one is asked for", { parallel: false }, `${ADDED[0]}${v31("time", "{}")}${ADDED[2]}`, "refused"],
    ["no end", {}, `${ADDED[0]}${v31("time", "{}")}`, "open"],
    ["a tool that is not there", {}, `${ADDED[0]}${ADDED[2]}wea${ADDED[4]}`, "refused"],
    ["arguments against the schema", {}, `${ADDED[0]}${ADDED[2]}weather${ADDED[4]}{"days"`, "refused"],
    ["a number out of range", {}, `${ADDED[0]}${ADDED[2]}weather${ADDED[4]}{"city":"O","days":8`, "refused"],
    ["text where a call is required", { required: true }, "H", "refused"],
    ["a call where one is required", { required: true }, `${ADDED[0]}${v31("time", "{}")}${ADDED[1]}`, "complete"],
    [
      "reasoning before it",
      { required: true, reasoning: { begin: null, end: thinkEnd! } },
      `Hm…${ADDED[5]}${ADDED[0]}${v31("time", "{}")}${ADDED[1]}`,
      "complete",
    ],
    ["reasoning without end", { reasoning: { begin: null, end: thinkEnd! } }, "Hm…", "open"],
    ["JSON where text must be JSON", { content: JSON_FORM }, "{}", "complete"],
    [
      "a call where text must be JSON",
      { content: JSON_FORM },
      `${ADDED[0]}${v31("time", "{}")}${ADDED[1]}`,
      "complete",
    ],
    ["other text where it must be JSON", { content: JSON_FORM }, "H", "refused"],
    ["a call behind JSON", { content: JSON_FORM }, `{}${ADDED[0]}`, "refused"],
    ["V3", { format: "v3" as const }, `${ADDED[0]}${v3("weather", '{"city":"O"}')}`, "complete"],
    [
      "V3, two calls",
      { format: "v3" as const },
      `x${ADDED[0]}${v3("time", "{}")}\n${v3("time", "{}")}${ADDED[1]}`,
      "complete",
    ],
  ])("%s", async (_, calls, text, expected) => {
    expect(await follow(calls, text)).toBe(expected);
  });

  it("lets no marker be spelled in ordinary tokens", async () => {
    const matcher = (await compileGrammar(source({}), vocabulary)).start();
    const bytes = new TextEncoder().encode("see <｜tool▁calls▁begin｜");
    for (const byte of bytes) matcher.accept(byte);
    expect(matcher.takes(">".charCodeAt(0))).toBe(false);
    expect(matcher.takes("!".charCodeAt(0))).toBe(true);
  });

  it("writes a marker out where the vocabulary has no token for it", async () => {
    const written = source({ required: true }).markers;
    const markers = Object.fromEntries(Object.entries(written).map(([name, m]) => [name, { ...m, id: null }]));
    const matcher = (await compileGrammar(source({ required: true, markers: markers as never }), vocabulary)).start();
    for (const byte of new TextEncoder().encode(`${ADDED[0]}${v31("time", "{}")}${ADDED[1]}`)) matcher.accept(byte);
    expect(matcher.mustEnd).toBe(true);
  });

  it("always has arguments that satisfy their schema", async () => {
    const grammar = await compileGrammar(
      source({ required: true, tools: [{ name: "weather", parameters }] }),
      vocabulary,
    );
    const answers = new RandomAnswers(vocabulary);
    for (let seed = 1; seed <= 40; seed++) {
      const { tokens, ended } = answers.make(grammar.start(), seed);
      if (!ended) continue;
      expect(tokens[0]).toBe(callsBegin!.id);
      const from = tokens.indexOf(separator!.id) + 1;
      const bytes = tokens.slice(from, tokens.indexOf(callEnd!.id)).flatMap((token) => [...vocabulary.bytes(token)!]);
      const { city, days = 1 } = JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes)));
      expect(Array.from(city as string).length).toBeLessThanOrEqual(9);
      expect([1, 2, 3, 4, 5, 6, 7]).toContain(days);
    }
  });

  it("names the tool whose pattern is too ambiguous, which is found later", async () => {
    const hostile = { properties: { x: { type: "string", pattern: "^(a|b)*a(a|b){30}$" } } };
    const tools = [
      { name: "a", parameters: null },
      { name: "b", parameters: hostile },
    ];
    await expect(compileGrammar(source({ tools }), vocabulary)).rejects.toMatchObject({
      pointer: "/tools/1/parameters/properties/x/pattern",
    });
  });

  it("names the tool whose schema is at fault", async () => {
    const tools = [
      { name: "a", parameters: null },
      { name: "b", parameters: { properties: { x: { not: {} } } } },
    ];
    await expect(compileGrammar(source({ tools }), vocabulary)).rejects.toThrow(
      '/tools/1/parameters/properties/x/not: the keyword "not" is not supported',
    );
  });
});
