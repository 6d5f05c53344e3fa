import { readFileSync } from "node:fs";
import { expect, it, test } from "vitest";
import { ScriptedModel } from "../../test/server/scripted-model.ts";
import { fixture, NO_SHARED } from "../../test/shared-fixtures.ts";
import type { ChatInput } from "../engine/generation.ts";
import { ToolCallParser } from "../engine/tool-calls.ts";
import { withToolArguments } from "../tokenizer/chat-template.ts";
import { JinjaTemplate } from "../tokenizer/jinja.ts";
import { callFormat, callOpening } from "./call-opening.ts";

/** A model with a chat template of its own. */
class TemplateModel extends ScriptedModel {
  readonly #render: (input: ChatInput) => string;

  constructor(render: (input: ChatInput) => string) {
    super();
    this.#render = render;
  }

  override async renderChat(input: ChatInput) {
    const text = this.#render(input);
    return { text, ids: this.encodePrompt(text), startsInThinking: false };
  }
}

/** What a model sees of a call, as the templates of these families write it. */
function written(call: (name: string, args: string, id: string) => string): TemplateModel {
  return new TemplateModel(({ messages }) =>
    messages
      .map(({ role, content, tool_calls: calls }) => {
        const [first] = (calls ?? []) as { id: string; function: { name: string; arguments: string } }[];
        return `[${role}]${content ?? ""}${first ? call(first.function.name, first.function.arguments, first.id) : ""}`;
      })
      .join(""),
  );
}

test.each([
  [
    "Kimi-K2",
    written((_, args, id) => `<|tool_calls_section_begin|><|tool_call_begin|>${id}<|tool_call_argument_begin|>${args}`),
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.",
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.look:0<|tool_call_argument_begin|>",
    "kimi",
  ],
  [
    "Qwen",
    written((name, args) => `<tool_call>\n{"name": "${name}", "arguments": ${args}}\n</tool_call>`),
    '<tool_call>\n{"name": "',
    '<tool_call>\n{"name": "look", "arguments": ',
    "qwen",
  ],
  [
    "GLM-4.5",
    written((name) => `<tool_call>${name}\n<arg_key>deepts_argument</arg_key>\n<arg_value>1</arg_value>\n</tool_call>`),
    "<tool_call>",
    "<tool_call>look",
    "glm-lines",
  ],
  [
    "GLM-4.7",
    written((name) => `<tool_call>${name}<arg_key>deepts_argument</arg_key><arg_value>1</arg_value></tool_call>`),
    "<tool_call>",
    "<tool_call>look",
    "glm",
  ],
  [
    "a form of its own",
    written((name, args) => `<tool_call>\n{"tool": "${name}", "input": ${args}}\n</tool_call>`),
    '<tool_call>\n{"tool": "',
    '<tool_call>\n{"tool": "look", "input": ',
    null,
  ],
])(
  "%s: a call of any tool begins before the name, that of one tool before its arguments",
  async (_, model, any, named, format) => {
    expect(await callOpening(model, null)).toBe(any);
    expect(await callOpening(model, "look")).toBe(named);
    expect(await callFormat(model)).toBe(format);
  },
);

it.for([
  ["deepseek_v3", "string", "v3", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look\n```json\n"],
  ["deepseek_v3_1", "object", "v3.1", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>look<｜tool▁sep｜>"],
] as const)("the template of %s begins its own call", async ([name, form, format, wanted], { skip }) => {
  const file = fixture("chat", `${name}.jinja`);
  if (file === null) return skip(NO_SHARED);
  const template = new JinjaTemplate(readFileSync(file, "utf8"));
  const model = new TemplateModel(({ messages }) =>
    template.render({
      messages: withToolArguments(messages, form),
      tools: null,
      bos_token: "",
      eos_token: "",
      add_generation_prompt: false,
    }),
  );
  const opening = await callOpening(model, "look");
  expect(opening).toBe(wanted);
  expect(await callFormat(model)).toBe(format);
  const parser = new ToolCallParser();
  expect(parser.push(`${opening}{}`)[0]).toMatchObject({ type: "toolCall", name: "look" });
});

test("a template that shows no calls is refused by the parameter's name", async () => {
  await expect(callOpening(new ScriptedModel(), null)).rejects.toMatchObject({ status: 400, param: "tool_choice" });
});
