import { expect, test } from "vitest";
import { ScriptedModel } from "../../test/server/scripted-model.ts";
import type { ChatInput } from "../engine/generation.ts";
import type { OfferedTool } from "./answer-grammar.ts";
import { type Conversation, openConversation } from "./conversation.ts";

const V31 = (name: string) => `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>${name}<｜tool▁sep｜>{}`;
const KIMI = (name: string) =>
  `<|tool_calls_section_begin|><|tool_call_begin|>functions.${name}:0<|tool_call_argument_begin|>{}`;

const QWEN = (name: string) => `<tool_call>\n{"name": "${name}", "arguments": {}}\n</tool_call>`;
const GLM = (name: string) =>
  `<tool_call>${name}<arg_key>deepts_argument</arg_key><arg_value>1</arg_value></tool_call>`;
const OTHER = (name: string) => `<tool_call>\n{"tool": "${name}", "input": {}}\n</tool_call>`;

/** Its chat template writes calls in this form, and ends with this text. */
class CallingModel extends ScriptedModel {
  readonly #written: (name: string) => string;
  readonly #end: string;
  rendered = 0;

  constructor(written: (name: string) => string, end = "") {
    super();
    this.#written = written;
    this.#end = end;
  }

  override async renderChat({ messages, addGenerationPrompt = true }: ChatInput) {
    this.rendered++;
    const [call] = (messages.at(-1)!.tool_calls ?? []) as { function: { name: string } }[];
    const text = `x${call ? this.#written(call.function.name) : ""}${addGenerationPrompt ? this.#end : ""}`;
    return { text, ids: this.encodePrompt(text), startsInThinking: text.endsWith("<think>") };
  }
}

const schema = { type: "object", properties: { city: { type: "string" } } };
const tools: OfferedTool[] = ["look", "go"].map((name, i) => ({
  name,
  strict: i === 1,
  parameters: schema,
  strictParam: `tools[${i}].strict`,
  schemaParam: `tools[${i}].parameters`,
}));

/** The grammar of the request that a conversation becomes. */
async function grammarOf(model: ScriptedModel, rest: Partial<Conversation> & { thinking?: boolean }) {
  const conversation = await openConversation(model, {
    chat: { messages: [{ role: "user", content: "x" }], thinking: rest.thinking },
    tools,
    forcedTool: null,
    form: null,
    maxToolCalls: Number.POSITIVE_INFINITY,
    begun: null,
    generation: { maxTokens: 5 },
    ...rest,
  });
  for await (const _ of conversation.answer({})(new AbortController().signal));
  return model.requests[0]!.grammar ?? null;
}

test("one strict tool holds its own arguments to their schema, those of others to JSON", async () => {
  expect(await grammarOf(new CallingModel(V31), {})).toMatchObject({
    type: "tool_calls",
    format: "v3.1",
    tools: [
      { name: "look", parameters: null },
      { name: "go", parameters: schema },
    ],
    markers: { separator: { text: "<｜tool▁sep｜>", id: expect.any(Number) } },
    required: false,
    parallel: true,
    reasoning: null,
  });
});

test.each([
  ["kimi", KIMI, { callsBegin: { text: "<|tool_calls_section_begin|>" }, separator: expect.anything() }],
  ["qwen", QWEN, { callBegin: { text: "<tool_call>" }, callEnd: { text: "</tool_call>" } }],
  ["glm", GLM, { callBegin: { text: "<tool_call>" }, pairs: { valueEnd: { text: "</arg_value>" } } }],
])("calls are held to their schema in the form of %s too", async (format, written, markers) => {
  expect(await grammarOf(new CallingModel(written), {})).toMatchObject({ type: "tool_calls", format, markers });
});

test.each([
  ["a form", { tools: [], form: { form: { type: "regex", pattern: "(" }, param: "guided_regex" } }, "guided_regex"],
  ["a form beside tools", { form: { form: { type: "regex", pattern: "(" }, param: "guided_regex" } }, "guided_regex"],
  ["a tool's schema", { tools: [{ ...tools[1]!, parameters: { not: {} } }] }, "tools[1].parameters"],
  [
    "a tool's pattern",
    {
      tools: [
        tools[1]!,
        { ...tools[1]!, parameters: { properties: { a: { pattern: "(a|b)*a(a|b){30}" } } }, schemaParam: "here" },
      ],
    },
    "here",
  ],
] as const)("%s that cannot be compiled is refused before a prompt is made", async (_, demands, param) => {
  const model = new CallingModel(V31);
  await expect(grammarOf(model, demands)).rejects.toMatchObject({ status: 400, param });
  expect(model.rendered).toBe(0);
  await grammarOf(model, {});
  expect(model.rendered).toBeGreaterThan(0);
});

test("a call by name leaves the other tools out, one call at a time the further ones", async () => {
  const grammar = await grammarOf(new CallingModel(V31), { forcedTool: { name: "go" }, maxToolCalls: 1 });
  expect(grammar).toMatchObject({ tools: [{ name: "go" }], required: true, parallel: false });
});

test("a form stands alone without tools, and beside calls with them", async () => {
  const form = { form: { type: "json_object" as const }, param: "response_format" };
  expect(await grammarOf(new CallingModel(V31), { form, tools: [] })).toMatchObject({ type: "json_object" });
  expect(await grammarOf(new CallingModel(V31), { form })).toMatchObject({ type: "tool_calls", content: form.form });
});

test.each([
  ["begun by the prompt", "<think>", undefined, { begin: null, end: { text: "</think>" } }],
  ["wanted, and left to the model", "", true, { begin: { text: "<think>" }, end: { text: "</think>" } }],
  ["ended by the prompt", "</think>", true, null],
  ["not wanted", "", undefined, null],
])("reasoning %s", async (_, end, thinking, wanted) => {
  const grammar = await grammarOf(new CallingModel(V31, end), { thinking });
  if (wanted === null) expect(grammar).toMatchObject({ reasoning: null });
  else expect(grammar).toMatchObject({ reasoning: wanted });
});

test("another form of calls: tools that are not strict are left to the prompt, where thinking is off", async () => {
  const loose = tools.slice(0, 1);
  expect(await grammarOf(new CallingModel(OTHER), { tools: loose, forcedTool: { name: null } })).toBeNull();
  await expect(grammarOf(new CallingModel(OTHER), { tools })).rejects.toMatchObject({ param: "tools[1].strict" });
  const forced = { tools: loose, forcedTool: { name: null }, thinking: true };
  await expect(grammarOf(new CallingModel(OTHER), forced)).rejects.toMatchObject({ param: "tool_choice" });
});
