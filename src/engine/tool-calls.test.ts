import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fixture, NO_SHARED } from "../../test/shared-fixtures.ts";
import { argumentsError, collectToolCalls, ToolCallParser, type ToolEvent } from "./tool-calls.ts";

const [CALLS, END_CALLS] = ["<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"];
const [CALL, END_CALL, SEP] = ["<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>"];
const v3 = (name: string, json: string) => `${CALL}function${SEP}${name}\n\`\`\`json\n${json}\n\`\`\`${END_CALL}`;
const v31 = (name: string, json: string) => `${CALL}${name}${SEP}${json}${END_CALL}`;
const call = (name: string, args: string, complete = true) => ({ name, arguments: args, complete });

const kimi = (id: string, json: string) =>
  `<|tool_call_begin|>${id}<|tool_call_argument_begin|>${json}<|tool_call_end|>`;
const [KIMI_CALLS, KIMI_END] = ["<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"];
const qwen = (json: string) => `<tool_call>\n${json}\n</tool_call>`;
const pair = (key: string, value: string) => `<arg_key>${key}</arg_key>\n<arg_value>${value}</arg_value>\n`;
const glm = (name: string, ...pairs: string[]) => `<tool_call>${name}\n${pairs.join("")}</tool_call>`;

function events(pieces: readonly string[]): ToolEvent[] {
  const parser = new ToolCallParser({ isText: (_, parameter) => parameter === "text" });
  return [...pieces.flatMap((piece) => parser.push(piece)), ...parser.flush()];
}

const parse = (...pieces: string[]) => collectToolCalls(events(pieces));

/** What streams: begins and ends in order, with the deltas between them joined. */
function shape(list: readonly ToolEvent[]): ToolEvent[] {
  const joined: ToolEvent[] = [];
  for (const event of list) {
    const last = joined.at(-1);
    if (last?.type === event.type && "text" in last && "text" in event) {
      joined[joined.length - 1] = { ...last, text: last.text + event.text };
    } else joined.push(event);
  }
  return joined;
}

describe("ToolCallParser", () => {
  it.each<[string, string, ReturnType<typeof collectToolCalls>]>([
    ["text alone", "Hello <b>\n", { content: "Hello <b>\n", calls: [] }],
    ["a V3.1 call", CALLS + v31("f", '{"a":1}') + END_CALLS, { content: "", calls: [call("f", '{"a":1}')] }],
    ["a V3 call", CALLS + v3("f", '{"a": 1}') + END_CALLS, { content: "", calls: [call("f", '{"a": 1}')] }],
    ["V3's single call without its last marker", CALLS + v3("f", "{}"), { content: "", calls: [call("f", "{}")] }],
    [
      "text before two V3 calls",
      `Let me see.\n${CALLS}${v3("f", "{}")}\n${v3("g", "[1]")}${END_CALLS}`,
      { content: "Let me see.\n", calls: [call("f", "{}"), call("g", "[1]")] },
    ],
    [
      "two V3.1 calls",
      CALLS + v31("f", "{}") + v31("g", '{"x":"y"}') + END_CALLS,
      { content: "", calls: [call("f", "{}"), call("g", '{"x":"y"}')] },
    ],
    ["a call without the outer markers", v31("f", "{}"), { content: "", calls: [call("f", "{}")] }],
    [
      "a V3.1 tool called function",
      CALLS + v31("function", '{"a":1}'),
      { content: "", calls: [call("function", '{"a":1}')] },
    ],
    [
      "a V3.1 tool called function, fenced",
      `${CALL}function${SEP}\`\`\`json\n{}\n\`\`\`${END_CALL}`,
      { content: "", calls: [call("function", "{}")] },
    ],
    [
      "V3 without a fence",
      `${CALL}function${SEP}f\n{"a":1}${END_CALL}`,
      { content: "", calls: [call("f", '{"a":1}')] },
    ],
    [
      "V3 without a line end",
      `${CALL}function${SEP}f{"a":1}${END_CALL}`,
      { content: "", calls: [call("f", '{"a":1}')] },
    ],
    ["V3 without arguments", `${CALL}function${SEP}f${END_CALL}`, { content: "", calls: [call("f", "")] }],
    ["V3.1 in a fence", v31("f", '```json\n{"a":1}\n```'), { content: "", calls: [call("f", '{"a":1}')] }],
    ["V3.1 in a bare fence", v31("f", '```\n{"a":1}```'), { content: "", calls: [call("f", '{"a":1}')] }],
    ["V3.1 without arguments", v31("f", ""), { content: "", calls: [call("f", "")] }],
    [
      "a fence inside the arguments",
      v31("f", '{"s":"```json\\n```"}'),
      { content: "", calls: [call("f", '{"s":"```json\\n```"}')] },
    ],
    ["white space around a name", v31(" f\n", " {}"), { content: "", calls: [call("f", "{}")] }],
    [
      "text after the calls",
      `${CALLS}${v31("f", "{}")}${END_CALLS}\nDone`,
      { content: "Done", calls: [call("f", "{}")] },
    ],
    [
      "a call whose end marker is missing",
      `${CALL}f${SEP}{}${v31("g", "{}")}`,
      { content: "", calls: [call("f", "{}"), call("g", "{}")] },
    ],
    [
      "calls that end without the call's end",
      `${CALLS}${CALL}f${SEP}{}${END_CALLS}`,
      { content: "", calls: [call("f", "{}")] },
    ],
    [
      "an end within the arguments",
      `a${CALLS}${CALL}f${SEP}{"a":`,
      { content: "a", calls: [call("f", '{"a":', false)] },
    ],
    [
      "an end within an end marker",
      `${CALL}f${SEP}{}<｜tool▁c`,
      { content: "", calls: [call("f", "{}<｜tool▁c", false)] },
    ],
    ["an end within the opening fence", `${CALL}f${SEP}\`\`\`js`, { content: "", calls: [call("f", "```js", false)] }],
    [
      "an end after the closing fence",
      `${CALL}function${SEP}f\n\`\`\`json\n{}\n\`\`\``,
      { content: "", calls: [call("f", "{}")] },
    ],
    [
      "an end after backticks that close no fence",
      `${CALL}f${SEP}{}\`\`\``,
      { content: "", calls: [call("f", "{}```", false)] },
    ],
    ["an end right after the separator", `${CALL}f${SEP}`, { content: "", calls: [call("f", "", false)] }],
    ["an end within the name", `${CALLS}${CALL}get_we`, { content: `${CALL}get_we`, calls: [] }],
    ["an end within a V3 name", `${CALL}function${SEP}get_we`, { content: `${CALL}function${SEP}get_we`, calls: [] }],
    ["an end within the first marker", "Hi <｜tool▁ca", { content: "Hi <｜tool▁ca", calls: [] }],
    ["a call that never names a tool", `${CALL}oops${END_CALL} x`, { content: `${CALL}oops${END_CALL}x`, calls: [] }],
    [
      "a broken call before a good one",
      `${CALL}oops${v31("f", "{}")}`,
      { content: `${CALL}oops`, calls: [call("f", "{}")] },
    ],
    [
      "two Kimi-K2 calls",
      `Hm.${KIMI_CALLS}${kimi("functions.f:0", '{"a": 1}')}${kimi("functions.g:1", "{}")}${KIMI_END}`,
      { content: "Hm.", calls: [call("f", '{"a": 1}'), call("g", "{}")] },
    ],
    ["a Kimi-K2 call without its prefix", kimi(" f:3 ", "{}"), { content: "", calls: [call("f", "{}")] }],
    [
      "a Kimi-K2 call without a name",
      kimi("functions.:0", "{}"),
      { content: "<|tool_call_begin|>functions.:0<|tool_call_argument_begin|>{}", calls: [] },
    ],
    [
      "Qwen's calls",
      `Sure.\n${qwen('{"name": "f", "arguments": {"a": "}\\""}}')}\n${qwen('{"name":"g","arguments":{}}')}`,
      { content: "Sure.\n", calls: [call("f", '{"a": "}\\""}'), call("g", "{}")] },
    ],
    [
      "a Qwen call with its name last",
      qwen('{"arguments": {"a": [1]}, "name": "f"}'),
      { content: "", calls: [call("f", '{"a":[1]}')] },
    ],
    ["a Qwen call without arguments", qwen('{"name": "f"}'), { content: "", calls: [call("f", "{}")] }],
    ["a Qwen call that is no JSON", `${qwen("{f}")} x`, { content: `${qwen("{f}")} x`, calls: [] }],
    [
      "an end within Qwen's arguments",
      '<tool_call>{"name": "f", "arguments": {"a": {',
      { content: "", calls: [call("f", '{"a": {', false)] },
    ],
    ["an end within a Qwen name", '<tool_call>{"name": "f', { content: '<tool_call>{"name": "f', calls: [] }],
    [
      "GLM's calls: text as it stands, other values as JSON where they are",
      `${glm("f", pair("text", 'say "12"\n'), pair("n", "12"), pair("other", "x y"))}\n${glm("g")}`,
      { content: "", calls: [call("f", '{"text": "say \\"12\\"\\n", "n": 12, "other": "x y"}'), call("g", "{}")] },
    ],
    [
      "a GLM call on one line",
      "<tool_call>f<arg_key>text</arg_key><arg_value>a</arg_value></tool_call>",
      { content: "", calls: [call("f", '{"text": "a"}')] },
    ],
    [
      "an end within a GLM value",
      "<tool_call>f\n<arg_key>n</arg_key><arg_value>12",
      { content: "", calls: [call("f", '{"n": 12', false)] },
    ],
    [
      "a tag that holds no call",
      "<tool_call>not a call</tool_call>",
      { content: "<tool_call>not a call</tool_call>", calls: [] },
    ],
    [
      "a tag of pairs without a name",
      `<tool_call>${pair("a", "1")}</tool_call>`,
      { content: `<tool_call>${pair("a", "1")}</tool_call>`, calls: [] },
    ],
    ["an empty tag", "<tool_call> </tool_call>!", { content: "<tool_call> </tool_call>!", calls: [] }],
  ])("reads %s, whole and character by character", (_, text, want) => {
    expect(parse(text)).toEqual(want);
    expect(parse(...text)).toEqual(want);
  });

  it("gives the same events however the text is cut", () => {
    const part = fc.constantFrom(
      CALLS,
      END_CALLS,
      CALL,
      END_CALL,
      SEP,
      "function",
      "f",
      "{",
      "}",
      "\n",
      " ",
      "```json",
      "```",
      "<｜",
      "tool▁",
      KIMI_CALLS,
      "<|tool_call_begin|>functions.f:0",
      "<|tool_call_argument_begin|>",
      "<tool_call>",
      "</tool_call>",
      '{"name": "f", "arguments": ',
      "<arg_key>",
      "</arg_key>",
      "<arg_value>",
      "</arg_value>",
      "text",
      '"',
      '{"a": "',
      '": "',
      '"}',
      "\\",
    );
    const texts = fc.array(
      fc.array(part, { maxLength: 5 }).map((parts) => parts.join("")),
      { maxLength: 10 },
    );
    fc.assert(
      fc.property(texts, (pieces) => {
        const whole = shape(events([pieces.join("")]));
        expect(shape(events(pieces))).toEqual(whole);
        expect(shape(events([...pieces.join("")]))).toEqual(whole);
      }),
      { numRuns: 3000, seed: 4 },
    );
  });

  it("takes markers in the strings of arguments for text, however the answer is cut", () => {
    const part = fc.oneof(
      fc.constantFrom(CALLS, END_CALLS, CALL, END_CALL, SEP, KIMI_CALLS, KIMI_END, "<|tool_call_end|>", "<tool_call>"),
      fc.constantFrom(
        "</tool_call>",
        END_CALL.slice(0, -1),
        "<",
        "\n```",
        "```json",
        '"',
        "\\",
        "\n",
        '{"a": "',
        '", ',
      ),
      fc.string({ maxLength: 3 }),
    );
    const text = fc.array(part, { maxLength: 4 }).map((parts) => parts.join(""));
    const { object } = fc.letrec((tie) => ({
      object: fc.dictionary(text, tie("value"), { maxKeys: 3 }),
      value: fc.oneof({ maxDepth: 3 }, text, fc.integer(), fc.constant(null), fc.array(tie("value")), tie("object")),
    }));
    const written: ((json: string) => string)[] = [
      (json) => v3("f", json),
      (json) => v31("f", json),
      (json) => `${CALL}f${SEP}\`\`\`json\n${json}\`\`\`${END_CALL}`,
      (json) => kimi("functions.f:0", json),
      (json) => qwen(`{"name": "f", "arguments": ${json}}`),
      (json) => qwen(`{"arguments": ${JSON.stringify(json)}, "name": "f"}`),
      (json) => v31("f", JSON.stringify(json)), // encoded once more, as some templates do
      (json) => v3("f", JSON.stringify(json)),
    ];
    const forms = fc.record({ write: fc.constantFrom(...written), indent: fc.constantFrom(0, 1) });
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(object, { minLength: 1, maxLength: 3 }), forms, sizes, (all, { write, indent }, sizes) => {
        const given = all.map((value) => JSON.stringify(value, null, indent));
        const whole = given.map(write).join("\n");
        const pieces: string[] = [];
        for (let at = 0, i = 0; at < whole.length; i++) {
          pieces.push(whole.slice(at, at + sizes[i % sizes.length]!));
          at += sizes[i % sizes.length]!;
        }
        const { content, calls } = parse(...pieces);
        expect(content.trim()).toBe("");
        expect(calls.map(({ arguments: args }) => asGiven(args))).toEqual(given);
        expect(calls.every(({ complete, name }) => complete && name === "f")).toBe(true);
      }),
      { numRuns: 2000, seed: 6 },
    );
  });

  const OPEN_STRING = '{"a": "x';
  it.each<[string, string, ReturnType<typeof collectToolCalls>]>([
    ["the answer ends", v31("f", OPEN_STRING), { content: "", calls: [call("f", OPEN_STRING)] }],
    [
      "a call follows",
      v31("f", OPEN_STRING) + v31("g", '{"b": "y"}') + END_CALLS,
      { content: "", calls: [call("f", OPEN_STRING), call("g", '{"b": "y"}')] },
    ],
    [
      "a call follows that has none",
      kimi("functions.f:0", OPEN_STRING) + kimi("functions.g:1", "{}") + KIMI_END,
      { content: "", calls: [call("f", OPEN_STRING), call("g", "{}")] },
    ],
    [
      "text follows",
      `${v31("f", OPEN_STRING)}${END_CALLS}I said "no".`,
      { content: 'I said "no".', calls: [call("f", OPEN_STRING)] },
    ],
    [
      "the fence comes before the marker",
      `${v3("f", OPEN_STRING)}\n${v3("g", '{"b": 1}')}`,
      { content: "", calls: [call("f", OPEN_STRING), call("g", '{"b": 1}')] },
    ],
    ["a line ends in it", `${v31("f", '{"a": "x\ny')}z", w`, { content: 'z", w', calls: [call("f", '{"a": "x\ny')] }],
    [
      "a Qwen call ends",
      '<tool_call>{"name": "f", "arguments": {"a": "x</tool_call>',
      { content: "", calls: [call("f", OPEN_STRING, false)] },
    ],
    [
      "a Qwen call follows",
      `<tool_call>{"name": "f", "arguments": {"a": "x</tool_call>${qwen('{"name": "g", "arguments": {}}')}.`,
      { content: ".", calls: [call("f", OPEN_STRING, false), call("g", "{}")] },
    ],
    [
      "a call is cut off behind it",
      `${v31("f", OPEN_STRING)}${CALL}g`,
      { content: `${CALL}g`, calls: [call("f", OPEN_STRING)] },
    ],
  ])("ends a string without an end at the marker: %s", (_, text, want) => {
    expect(parse(text)).toEqual(want);
    expect(parse(...text)).toEqual(want);
  });

  it("reads on in one go behind thousands of such strings", () => {
    const answer = `${CALL}f${SEP}{\\"a${END_CALL}`.repeat(20_000);
    const { content, calls } = parse(answer);
    expect([content, calls.length]).toEqual(["", 20_000]);
    expect(new Set(calls.map(({ arguments: text }) => text))).toEqual(new Set(['{\\"a']));
    const none = '<tool_call>{\\"a</tool_call>'.repeat(20_000);
    expect(parse(none)).toEqual({ content: none, calls: [] });
  });

  it("holds back a marker in a string, and nothing else, until the string has ended", () => {
    const parser = new ToolCallParser();
    parser.push(`${CALL}f${SEP}`);
    expect(parser.push('{"a": "one')).toEqual([{ type: "arguments", index: 0, text: '{"a": "one' }]);
    expect(parser.push(`${END_CALL}two`)).toEqual([]);
    expect(parser.push('"')).toEqual([]);
    expect(parser.push("}")).toEqual([{ type: "arguments", index: 0, text: `${END_CALL}two"}` }]);
    expect(parser.push(END_CALL)).toEqual([{ type: "toolCallEnd", index: 0, complete: true }]);
  });

  it("numbers the calls, and ends each before the next begins", () => {
    const list = shape(events([CALLS + v3("f", "{}") + v3("g", "[]") + END_CALLS]));
    expect(list).toEqual([
      { type: "toolCall", index: 0, name: "f" },
      { type: "arguments", index: 0, text: "{}" },
      { type: "toolCallEnd", index: 0, complete: true },
      { type: "toolCall", index: 1, name: "g" },
      { type: "arguments", index: 1, text: "[]" },
      { type: "toolCallEnd", index: 1, complete: true },
    ]);
  });

  it("keeps the id that Kimi-K2 gives a call", () => {
    expect(events([kimi("functions.f:2", "{}")])[0]).toEqual({
      type: "toolCall",
      index: 0,
      name: "f",
      id: "functions.f:2",
    });
  });

  it("streams the arguments of tagged calls as they come", () => {
    const parser = new ToolCallParser({ isText: () => true });
    parser.push('<tool_call>{"name": "f", "argu');
    expect(parser.push('ments": {"a')).toEqual([
      { type: "toolCall", index: 0, name: "f" },
      { type: "arguments", index: 0, text: '{"a' },
    ]);
    expect(parser.push('": 1}')).toEqual([{ type: "arguments", index: 0, text: '": 1}' }]);
    expect(parser.push("}</tool_call>")).toEqual([{ type: "toolCallEnd", index: 0, complete: true }]);
    parser.push("<tool_call>g\n<arg_key>code</arg_key>");
    expect(parser.push('<arg_value>a "b"')).toEqual([
      { type: "arguments", index: 1, text: '{"code": "' },
      { type: "arguments", index: 1, text: 'a \\"b\\"' },
    ]);
  });

  it("streams arguments as they come", () => {
    const parser = new ToolCallParser();
    expect(parser.push(`Sure.${CALLS}`)).toEqual([{ type: "content", text: "Sure." }]);
    expect(parser.push(CALL + "get")).toEqual([]);
    expect(parser.push("_time" + SEP)).toEqual([{ type: "toolCall", index: 0, name: "get_time" }]);
    expect(parser.push('{"city"')).toEqual([{ type: "arguments", index: 0, text: '{"city"' }]);
    expect(parser.push(': "Rome\n')).toEqual([{ type: "arguments", index: 0, text: ': "Rome' }]);
    expect(parser.push('"}')).toEqual([{ type: "arguments", index: 0, text: '\n"}' }]);
    expect(parser.push(END_CALL)).toEqual([{ type: "toolCallEnd", index: 0, complete: true }]);
    expect([...parser.push(END_CALLS), ...parser.flush()]).toEqual([]);
  });

  it.for(["deepseek_v3", "deepseek_v3_1", "r1_distill_llama", "r1_distill_qwen"])(
    "finds in what the chat template of %s wrote the calls that it was given",
    (template, { skip }) => {
      const file = fixture("chat", `${template}.jsonl`);
      if (file === null) return skip(NO_SHARED);
      let seen = 0;
      for (const line of readFileSync(file, "utf8").trimEnd().split("\n")) {
        const { messages, rendered } = JSON.parse(line) as TemplateRecord;
        const given = messages.flatMap((message) => message.tool_calls ?? []).map((call) => call.function);
        if (rendered === undefined) continue;
        const { calls } = parse(rendered);
        expect(calls.map((call) => call.name)).toEqual(given.map((call) => call.name));
        expect(calls.map((call) => asGiven(call.arguments))).toEqual(given.map((call) => call.arguments));
        seen += calls.length;
      }
      expect(seen).toBeGreaterThan(0);
    },
  );
});

interface TemplateRecord {
  readonly messages: { readonly tool_calls?: { readonly function: { name: string; arguments: string } }[] }[];
  readonly rendered?: string;
}

/** Some templates encode the arguments, which the records give as JSON text, once more. */
function asGiven(written: string): string {
  return written.startsWith('"') ? (JSON.parse(written) as string) : written;
}

describe("argumentsError", () => {
  it.each(["{}", ' {"a": [1, {"b": null}]}\n'])("accepts %j", (text) => expect(argumentsError(text)).toBeNull());
  it.each(["", "[]", "null", '"x"', "{", "{} {}", "{'a': 1}", "[".repeat(100_000)])("refuses %.20j", (text) => {
    expect(argumentsError(text)).toMatch(/^the arguments are/);
  });
});
