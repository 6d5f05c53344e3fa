import { describe, expect, it } from "vitest";
import { KIMI_CALLS, TAG_CLOSE, TAG_OPEN } from "../../src/engine/tool-call-formats.ts";
import { collectToolCalls, ToolCallParser } from "../../src/engine/tool-calls.ts";
import { compileGrammar } from "../../src/grammar/compile-grammar.ts";
import type { CallFormatName, CallMarkers } from "../../src/grammar/tool-calls.ts";
import { RandomAnswers } from "./random-answer.ts";
import { smallVocabulary } from "./small-vocabulary.ts";

const { callsBegin, callsEnd, callBegin, callEnd, separator } = KIMI_CALLS;
const ADDED = [callsBegin, callsEnd, callBegin, callEnd, separator, TAG_OPEN, TAG_CLOSE];
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
  properties: { city: { enum: ["Oslo", "Paris"] }, days: { type: "integer", minimum: 1, maximum: 7 } },
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

const compile = (format: CallFormatName, markers: CallMarkers, rest: { required: boolean; parallel?: boolean }) =>
  compileGrammar({ type: "tool_calls", format, markers, tools, parallel: true, ...rest }, vocabulary);

describe.each([
  ["kimi", kimi],
  ["qwen", qwen],
] as const)("calls in the form of %s", (format, markers) => {
  it("are read back as they were allowed: names of the tools, arguments of their schemas", async () => {
    const grammar = await compile(format, markers, { required: true });
    const answers = new RandomAnswers(vocabulary);
    const names = new Set<string>();
    let most = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const { tokens, ended } = answers.make(grammar.start(), seed);
      expect(ended).toBe(true);
      const parser = new ToolCallParser();
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
    const name = format === "kimi" ? "functions.time:0" : '\n{"name": "time", "arguments": ';
    const call: (number | string)[] =
      format === "kimi"
        ? [kimi.callsBegin!.id!, kimi.callBegin.id!, name, kimi.separator!.id!, "{}", kimi.callEnd.id!]
        : [qwen.callBegin.id!, `${name}{}}\n`, qwen.callEnd.id!];
    for (const part of call) {
      const tokens = typeof part === "number" ? [part] : [...new TextEncoder().encode(part)];
      for (const token of tokens) expect(matcher.accept(token), String(part)).toBe(true);
    }
    expect(matcher.takes(markers.callBegin.id!)).toBe(false);
    if (format === "kimi") expect(matcher.accept(kimi.callsEnd!.id!)).toBe(true);
    expect(matcher.mustEnd).toBe(true);
  });
});
