import { describe, expect, it } from "vitest";
import { KIMI_CALLS, PAIR_TAGS, TAG_CLOSE, TAG_OPEN } from "../../src/engine/tool-call-formats.ts";
import { collectToolCalls, ToolCallParser } from "../../src/engine/tool-calls.ts";
import { compileGrammar } from "../../src/grammar/compile-grammar.ts";
import type { CallFormatName, CallMarkers } from "../../src/grammar/tool-calls.ts";
import { RandomAnswers } from "./random-answer.ts";
import { smallVocabulary } from "./small-vocabulary.ts";

const { callsBegin, callsEnd, callBegin, callEnd, separator } = KIMI_CALLS;
const ADDED = [callsBegin, callsEnd, callBegin, callEnd, separator, TAG_OPEN, TAG_CLOSE, ...Object.values(PAIR_TAGS)];
const WORDS = ['{"', '": ', "functions", "weather", '"arguments": ', "name"];
const vocabulary = smallVocabulary(WORDS, ADDED);
const marker = (text: string) => ({ text, id: 256 + WORDS.length + ADDED.indexOf(text) });

/** What the parser gets: special tokens written out. */
function written(tokens: readonly number[]): string {
  const bytes = tokens.flatMap((token) => {
    const added = ADDED[token - 256 - WORDS.length];
    return [...(added === undefined ? vocabulary.bytes(token)! : new TextEncoder().encode(added))];
  });
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

const parameters = {
  type: "object",
  properties: { city: { type: "string", enum: ["Oslo", "Paris"] }, days: { type: "integer", minimum: 1, maximum: 7 } },
  required: ["city"],
  additionalProperties: false,
};
const tools = [
  { name: "weather", parameters },
  { name: "time", parameters: { type: "object", properties: {}, additionalProperties: false } },
];
const kimi: CallMarkers = {
  callsBegin: marker(callsBegin),
  callsEnd: marker(callsEnd),
  callBegin: marker(callBegin),
  callEnd: marker(callEnd),
  separator: marker(separator),
};
const qwen: CallMarkers = { callBegin: marker(TAG_OPEN), callEnd: marker(TAG_CLOSE) };

const glm: CallMarkers = {
  ...qwen,
  pairs: {
    keyBegin: marker(PAIR_TAGS.keyBegin),
    keyEnd: marker(PAIR_TAGS.keyEnd),
    valueBegin: marker(PAIR_TAGS.valueBegin),
    valueEnd: marker(PAIR_TAGS.valueEnd),
  },
};

const compile = (format: CallFormatName, markers: CallMarkers, rest: { required: boolean; parallel?: boolean }) =>
  compileGrammar({ type: "tool_calls", format, markers, tools, parallel: true, ...rest }, vocabulary);

/** A call of time up to its end. */
const CALLS = {
  kimi: [callsBegin, callBegin, "functions.time:0", separator, "{}", callEnd],
  qwen: [TAG_OPEN, '\n{"name": "time", "arguments": {}}\n', TAG_CLOSE],
  glm: [TAG_OPEN, "time", TAG_CLOSE],
  "glm-lines": [TAG_OPEN, "time\n", TAG_CLOSE],
};

describe.each([
  ["kimi", kimi],
  ["qwen", qwen],
  ["glm", glm],
  ["glm-lines", glm],
] as const)("calls in the form of %s", (format, markers) => {
  it("are read back as they were allowed: names of the tools, arguments of their schemas", async () => {
    const grammar = await compile(format, markers, { required: true });
    const answers = new RandomAnswers(vocabulary);
    const names = new Set<string>();
    let most = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const { tokens, ended } = answers.make(grammar.start(), seed);
      expect(ended).toBe(true);
      const parser = new ToolCallParser({ isText: (_tool, parameter) => parameter === "city" });
      const events = [...parser.push(written(tokens)), ...parser.flush()];
      const { content, calls } = collectToolCalls(events);
      expect(content).toBe("");
      expect(calls.length).toBeGreaterThan(0);
      most = Math.max(most, calls.length);
      for (const { arguments: text, complete, name } of calls) {
        names.add(name);
        expect(complete).toBe(true);
        const { city, days = 1, ...others } = JSON.parse(text) as Record<string, unknown>;
        expect(others).toEqual({});
        if (name === "weather") expect(["Oslo", "Paris"]).toContain(city);
        else expect([name, city]).toEqual(["time", undefined]);
        expect([1, 2, 3, 4, 5, 6, 7]).toContain(days);
      }
    }
    expect([...names].sort()).toEqual(["time", "weather"]);
    expect(most).toBeGreaterThan(1);
  });

  it("come behind text, and one at a time where more are not wanted", async () => {
    const matcher = (await compile(format, markers, { required: false, parallel: false })).start();
    for (const byte of new TextEncoder().encode("Let me see. ")) expect(matcher.accept(byte)).toBe(true);
    expect(matcher.canEnd).toBe(true);
    for (const part of CALLS[format]) {
      const tokens = ADDED.includes(part) ? [marker(part).id] : [...new TextEncoder().encode(part)];
      for (const token of tokens) expect(matcher.accept(token), part).toBe(true);
    }
    expect(matcher.takes(markers.callBegin.id!)).toBe(false);
    if (format === "kimi") expect(matcher.accept(kimi.callsEnd!.id!)).toBe(true);
    expect(matcher.mustEnd).toBe(true);
  });
});

describe("arguments that are pairs", () => {
  const { keyBegin, keyEnd, valueBegin, valueEnd } = PAIR_TAGS;
  const pair = (key: string, value: string) => [keyBegin, key, keyEnd, valueBegin, value, valueEnd];
  const follow = async (schema: unknown, parts: readonly string[], format: "glm" | "glm-lines" = "glm") => {
    const source = {
      type: "tool_calls" as const,
      format,
      markers: glm,
      required: true,
      parallel: false,
    };
    const grammar = await compileGrammar({ ...source, tools: [{ name: "f", parameters: schema }] }, vocabulary);
    const matcher = grammar.start();
    for (const part of [TAG_OPEN, "f", ...parts, TAG_CLOSE]) {
      const tokens = ADDED.includes(part) ? [marker(part).id] : [...new TextEncoder().encode(part)];
      for (const token of tokens) if (!matcher.accept(token)) return `refused in ${JSON.stringify(part)}`;
    }
    return matcher.mustEnd ? "complete" : "open";
  };
  const object = (properties: object, required: string[] = []) => ({ type: "object", properties, required });

  it.each([
    ["text as it stands", object({ a: { type: "string" } }), pair("a", 'say "hi"\n<b>'), "complete"],
    ["text of a pattern", object({ a: { type: "string", pattern: '^"\\d+"$' } }), pair("a", '"12"'), "complete"],
    [
      "text against its pattern",
      object({ a: { type: "string", pattern: "^\\d+$" } }),
      pair("a", "x"),
      'refused in "x"',
    ],
    ["text of a length", object({ a: { type: "string", minLength: 2, maxLength: 3 } }), pair("a", '\n"é'), "complete"],
    ["text that is too long", object({ a: { type: "string", maxLength: 2 } }), pair("a", "abc"), 'refused in "abc"'],
    [
      "an end tag in text",
      object({ a: { type: "string" } }),
      pair("a", "x</arg_value>y"),
      'refused in "x</arg_value>y"',
    ],
    [
      "an end tag that a pattern would allow",
      object({ a: { type: "string", pattern: "^x" } }),
      pair("a", "x</arg_value>"),
      'refused in "x</arg_value>"',
    ],
    ["JSON elsewhere", object({ a: { type: "array", items: { type: "string" } } }), pair("a", '["x"]'), "complete"],
    ["text where JSON belongs", object({ a: { type: "integer" } }), pair("a", "one"), 'refused in "one"'],
    [
      "a reference",
      { ...object({ a: { $ref: "#/$defs/s" } }), $defs: { s: { type: "string" } } },
      pair("a", '"x"'),
      "complete",
    ],
    ["a key that is missing", object({ a: { type: "integer" } }, ["a"]), [], `refused in ${JSON.stringify(TAG_CLOSE)}`],
    ["a key of no property", object({}), pair("b", "1"), `refused in ${JSON.stringify(keyBegin)}`],
    ["anything where nothing is asked", null, [...pair("a", "1"), ...pair("b c", "{x")], "complete"],
  ])("%s", async (_, schema, parts, expected) => {
    expect(await follow(schema, parts)).toBe(expected);
  });

  it("stand on lines of their own in the earlier form", async () => {
    const lines = ["\n", ...pair("a", "1").flatMap((part) => (part.startsWith("</") ? [part, "\n"] : [part]))];
    expect(await follow(object({ a: { type: "integer" } }), lines, "glm-lines")).toBe("complete");
    expect(await follow(object({ a: { type: "integer" } }), pair("a", "1"), "glm-lines")).toMatch(/^refused/);
  });

  it.each([
    [{ anyOf: [object({}), object({ a: {} })] }, "/tools/0/parameters/anyOf: want one object by its properties"],
    [{ type: "string" }, "/tools/0/parameters: want one object"],
    [
      object({ a: { type: "string", anyOf: [{ minLength: 2 }, {}] } }),
      "/tools/0/parameters/properties/a: alternatives",
    ],
  ])("of %j are refused", async (schema, says) => {
    await expect(follow(schema, [])).rejects.toThrow(says);
  });
});
