import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadModel } from "../../src/node.ts";
import { fixture } from "../shared-fixtures.ts";
import { startServer } from "./start-server.ts";

/** What the templates of these families do with calls, and no more of them. */
const conversation = (calls: string) =>
  `{% for m in messages %}[{{ m.role }}]{{ m.content or "" }}{% if m.tool_calls %}${calls}{% endif %}{% endfor %}[assistant]`;
const each = (call: string) => `{% for t in m.tool_calls %}${call}{% endfor %}`;
const PAIRS = "{% for k, v in t.function.arguments.items() %}";
const TEMPLATES = {
  "Kimi-K2": `<|tool_calls_section_begin|>${each(
    "<|tool_call_begin|>{{ t.id }}<|tool_call_argument_begin|>{{ t.function.arguments | tojson }}<|tool_call_end|>",
  )}<|tool_calls_section_end|>`,
  Qwen: each(
    '\n<tool_call>\n{"name": "{{ t.function.name }}", "arguments": {{ t.function.arguments | tojson }}}\n</tool_call>',
  ),
  "GLM-4.5": each(
    `\n<tool_call>{{ t.function.name }}\n${PAIRS}<arg_key>{{ k }}</arg_key>\n<arg_value>{{ v }}</arg_value>\n{% endfor %}</tool_call>`,
  ),
  "GLM-4.7": each(
    `<tool_call>{{ t.function.name }}${PAIRS}<arg_key>{{ k }}</arg_key><arg_value>{{ v }}</arg_value>{% endfor %}</tool_call>`,
  ),
};

const parameters = {
  type: "object",
  properties: {
    city: { type: "string", enum: ["Oslo", "Paris"] },
    days: { type: "integer", minimum: 1, maximum: 7 },
    near: { type: "array", items: { enum: ["sea", "hills"] }, maxItems: 2 },
  },
  required: ["city", "days"],
  additionalProperties: false,
};

test.each(Object.entries(TEMPLATES))(
  "a model with the template of %s calls strict tools as their schemas say",
  async (_, calls) => {
    const folder = mkdtempSync(path.join(tmpdir(), "deepts-strict-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    cpSync(fixture("v3-tiny")!, folder, { recursive: true });
    writeFileSync(path.join(folder, "chat_template.jinja"), conversation(calls));
    const model = await loadModel(folder, { contextSize: 512, parallel: 1 });
    onTestFinished(() => model.close());
    const { client } = await startServer(model.engine);
    const weather = { name: "get_weather", strict: true, parameters };
    for (const seed of [1, 2]) {
      const { choices } = await client.chat.completions.create({
        model: "x",
        messages: [{ role: "user", content: "The weather?" }],
        tools: [{ type: "function", function: weather }],
        tool_choice: "required",
        parallel_tool_calls: false,
        seed,
        max_tokens: 300,
      });
      const { finish_reason, message } = choices[0]!;
      expect([message.content, finish_reason]).toEqual([null, "tool_calls"]);
      const [call] = message.tool_calls!;
      if (call?.type !== "function") throw new Error("want a function call");
      expect(call.function.name).toBe("get_weather");
      const { city, days, near = [], ...others } = JSON.parse(call.function.arguments) as Record<string, unknown>;
      expect(parameters.properties.city.enum).toContain(city);
      expect([1, 2, 3, 4, 5, 6, 7]).toContain(days);
      for (const place of near as string[]) expect(["sea", "hills"]).toContain(place);
      expect(others).toEqual({});
    }
  },
);
