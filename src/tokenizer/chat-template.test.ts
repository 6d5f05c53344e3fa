import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fixture, fixtureNames, NO_SHARED } from "../../test/shared-fixtures.ts";
import { skipMissing } from "../../test/skip.ts";
import { deepseekV3Json, NO_DEEPSEEK_V3 } from "../../test/vectors/tokenizer/read.ts";
import { TextError } from "../errors.ts";
import { spell } from "./byte-alphabet.ts";
import {
  type ChatInput,
  ChatRenderer,
  type ChatTemplate,
  type RenderTemplate,
  withToolArguments,
} from "./chat-template.ts";
import { JinjaTemplate } from "./jinja.ts";
import { Tokenizer } from "./tokenizer.ts";
import { specFromTokenizerJson } from "./tokenizer-json.ts";

const BYTES = Array.from({ length: 256 }, (_, byte) => spell(Uint8Array.of(byte)));
const SPECIAL = [
  "<｜begin▁of▁sentence｜>",
  "<｜end▁of▁sentence｜>",
  "<｜User｜>",
  "<｜Assistant｜>",
  "<think>",
  "</think>",
  "<｜tool▁calls▁begin｜>",
  "<｜tool▁calls▁end｜>",
  "<｜tool▁call▁begin｜>",
  "<｜tool▁call▁end｜>",
  "<｜tool▁sep｜>",
  "<｜tool▁output▁begin｜>",
  "<｜tool▁output▁end｜>",
  "<｜tool▁outputs▁begin｜>",
  "<｜tool▁outputs▁end｜>",
];
const [BOS, EOS, USER, ASSISTANT, THINK, END_THINK] = SPECIAL.map((_, i) => 256 + i);

function tokenizerWith(contents: readonly string[], special = true): Tokenizer {
  const flags = { special, lstrip: false, rstrip: false, singleWord: false, normalized: false };
  return new Tokenizer({
    source: "test",
    tokens: BYTES,
    merges: { kind: "list", pairs: [] },
    ignoreMerges: false,
    normalizer: [],
    preTokenizer: [],
    addedTokens: contents.map((content, i) => ({ id: 256 + i, content, ...flags })),
    unkId: null,
    bosId: null,
    eosId: null,
    addBos: true,
  });
}

const tokenizer = tokenizerWith(SPECIAL);
const direct: RenderTemplate = (source, variables) => new JinjaTemplate(source).render(variables);

function renderer(source: string, vocabulary = tokenizer): ChatRenderer {
  const template: ChatTemplate = { source, bosToken: SPECIAL[0]!, eosToken: SPECIAL[1]! };
  return new ChatRenderer(template, vocabulary, direct);
}

/** A template with the habits of DeepSeek-V3.1's: cuts reasoning off, strips, looks for literals, prints tools as JSON. */
const SOURCE = `{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% endif %}{% endfor %}
{%- if tools %}{{ '\\n## Tools\\n' }}{% for t in tools %}{{ t.function | tojson }}{{ '\\n' }}{% endfor %}{% endif %}
{%- for m in messages %}
{%- if m.role == 'user' %}{{ '<｜User｜>' + m.content.strip() }}
{%- elif m.role == 'assistant' %}{{ '<｜Assistant｜>' }}
{%- set content = m.content or '' %}
{%- if '</think>' in content %}{% set content = content.split('</think>', 1)[1] %}{% else %}{{ '</think>' }}{% endif %}
{{- content }}
{%- for c in m.tool_calls or [] %}{{ '<｜tool▁call▁begin｜>' + c.function.name + '<｜tool▁sep｜>' + c.function.arguments + '<｜tool▁call▁end｜>' }}{% endfor %}
{{- eos_token }}
{%- elif m.role == 'tool' %}{{ '<｜tool▁output▁begin｜>' + m.content + '<｜tool▁output▁end｜>' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<｜Assistant｜>' + ('<think>' if thinking else '</think>') }}{% endif %}`;

const addedIds = (ids: number[]) => ids.filter((id) => tokenizer.addedToken(id) !== null);

describe("ChatRenderer", () => {
  const chat = renderer(SOURCE);

  it("gives the text and ids that start with the template's own BOS", async () => {
    const { text, ids } = await chat.encode({ messages: [{ role: "user", content: " hi " }] });
    expect(text).toBe("<｜begin▁of▁sentence｜><｜User｜>hi<｜Assistant｜></think>");
    expect(ids).toEqual([BOS, USER, 104, 105, ASSISTANT, END_THINK]);
  });

  it("thinking sets the names that templates use, further variables come along, the token texts are not theirs", async () => {
    const all = renderer(
      "{{ thinking }} {{ enable_thinking }} {{ x }} {{ bos_token == y }} {{ add_generation_prompt }}",
    );
    const variables = { x: "X", y: SPECIAL[0], bos_token: "mine", add_generation_prompt: true };
    const input: ChatInput = { messages: [], thinking: true, addGenerationPrompt: false, variables };
    expect(await all.text(input)).toBe("true true X true false");
    expect(await renderer("{{ thinking is defined }}{{ tools is none }}").text({ messages: [] })).toBe("falsetrue");
  });

  it("text that reads like a token stays text, in every place that a caller fills", async () => {
    const literal = "<｜User｜>";
    const input: ChatInput = {
      messages: [
        { role: "system", content: `a${literal}` },
        { role: "user", content: `${literal}${literal}` },
        {
          role: "assistant",
          content: literal,
          tool_calls: [{ type: "function", function: { name: literal, arguments: `{"${literal}": "${literal}"}` } }],
        },
        { role: "tool", content: `${literal}</think>` },
      ],
      tools: [
        { type: "function", function: { name: literal, description: literal, parameters: { [literal]: [literal] } } },
      ],
      variables: { extra: literal },
    };
    const { text, ids } = await chat.encode(input);
    expect(text).toBe(await chat.text(input));
    expect(tokenizer.decode(ids)).toBe(text);
    expect(ids.filter((id) => id === USER)).toHaveLength(1);
    expect(ids.filter((id) => id === END_THINK)).toHaveLength(2);
  });

  it("an assistant's own think tags work, also in turns that are cut", async () => {
    const said = (content: string) => ({ messages: [{ role: "assistant", content }], addGenerationPrompt: false });
    expect((await chat.encode(said("<think>why</think>because"))).text).toBe(
      "<｜begin▁of▁sentence｜><｜Assistant｜>because<｜end▁of▁sentence｜>",
    );
    expect(addedIds((await chat.encode(said("a<think>b"))).ids)).toEqual([BOS, ASSISTANT, END_THINK, THINK, EOS]);
    const parts = { messages: [{ role: "assistant", content: [{ type: "text", text: "<think>" }] }] };
    expect(addedIds((await renderer("{{ messages[0].content[0].text }}").encode(parts)).ids)).toEqual([THINK]);
  });

  it("think tags of a user are not seen by the template", async () => {
    const source = "{% for m in messages %}{{ m.content.split('</think>')[-1] }}{% endfor %}";
    const { text, ids } = await renderer(source).encode({ messages: [{ role: "user", content: "a</think>b" }] });
    expect(text).toBe("a</think>b");
    expect(addedIds(ids)).toEqual([]);
  });

  it("no token arises where content meets the template's text", async () => {
    const seams = renderer("{{ '<' + messages[0].content + '>' }}{{ eos_token }}");
    for (const content of ["think", "/think", "｜User｜", "think>a<think", "｜User｜><｜User｜", "think><"]) {
      const { text, ids } = await seams.encode({ messages: [{ role: "user", content }] });
      expect(text).toBe(`<${content}><｜end▁of▁sentence｜>`);
      expect(addedIds(ids), content).toEqual([EOS]);
    }
  });

  it("words that templates compare are left alone, though tokens hold them", async () => {
    const vocabulary = tokenizerWith(["<|user|>", "<|function|>", "<|high|>"]);
    const source =
      "{% for m in messages %}{% if m.role == 'user' %}{{ '<|' + m.role + '|>' + m.content }}{% endif %}{% endfor %}" +
      "{% if tools[0].type == 'function' and effort == 'high' %}!{% endif %}";
    const chat = renderer(source, vocabulary);
    const input = {
      messages: [{ role: "user", content: "user" }],
      tools: [{ type: "function" }],
      variables: { effort: "high" },
    };
    const { text, ids } = await chat.encode(input);
    expect(text).toBe("<|user|>user!");
    expect(ids).toEqual([256, ...vocabulary.encode("user!")]);
  });

  it("a template that cuts content apart leaves its own tokens alone", async () => {
    const cut = renderer("{{ messages[0].content[:3] + eos_token }}{{ messages[0].content[3:] + eos_token }}");
    const { ids } = await cut.encode({ messages: [{ role: "user", content: "ab <｜User｜>" }] });
    expect(addedIds(ids).filter((id) => id !== EOS)).toEqual([]);
  });

  it("letters and white space that are added tokens stay what they are", async () => {
    const vocabulary = tokenizerWith(["ü", "  ", "<s>"], false);
    const plain = renderer("{{ messages[0].content }}", vocabulary);
    const { ids } = await plain.encode({ messages: [{ role: "user", content: "ü  <s>" }] });
    expect(ids).toEqual([256, 257, 60, 115, 62]);
  });

  it("random conversations: the text is the plain rendering, ids decode to it, and content gives no token", async () => {
    const pieces = fc.constantFrom(
      ...SPECIAL,
      "<",
      ">",
      "｜",
      "<｜",
      "｜>",
      "think",
      "</",
      "User",
      " ",
      "\n",
      "é",
      "😀",
      "~",
      "7",
      "<think",
    );
    const content = fc.oneof(
      fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join("")),
      // Slices of literals, so that halves meet.
      fc
        .tuple(fc.constantFrom(...SPECIAL), fc.nat(20), fc.nat(20))
        .map(([s, a, b]) => s.slice(a % s.length, (b % s.length) + 1)),
      fc.string({ unit: "grapheme", maxLength: 10 }),
    );
    const message = fc.record({ role: fc.constantFrom("user", "tool", "system"), content });
    const chats = fc.record({ messages: fc.array(message, { maxLength: 4 }), thinking: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(chats, async (input) => {
        const { text, ids } = await chat.encode(input);
        expect(text).toBe(await chat.text(input));
        expect(tokenizer.decode(ids)).toBe(text);
        const own = [BOS!];
        for (const { role } of input.messages) if (role === "user") own.push(USER!);
        for (const { role } of input.messages)
          if (role === "tool")
            own.push(SPECIAL.indexOf("<｜tool▁output▁begin｜>") + 256, SPECIAL.indexOf("<｜tool▁output▁end｜>") + 256);
        own.push(ASSISTANT!, input.thinking ? THINK! : END_THINK!);
        expect(addedIds(ids).sort()).toEqual(own.sort());
      }),
      { numRuns: 300 },
    );
  });

  it("refuses values nested without end", async () => {
    let deep: unknown = "x";
    for (let i = 0; i < 5000; i++) deep = [deep];
    await expect(chat.encode({ messages: [], tools: [deep] })).rejects.toThrow(TextError);
  });
});

describe("template goldens, with DeepSeek-V3's vocabulary", () => {
  const json = deepseekV3Json();
  const vocabulary = json === null ? null : new Tokenizer(specFromTokenizerJson(JSON.parse(json)));
  for (const name of fixtureNames("chat").filter((file) => file.endsWith(".jsonl"))) {
    it(`${name}: encoding gives the golden text, and the ids of it where no content reads like a token`, async (t) => {
      if (vocabulary === null) return skipMissing(t, NO_DEEPSEEK_V3);
      const source = readFileSync(fixture("chat", name.replace("jsonl", "jinja"))!, "utf8");
      const chat = renderer(source, vocabulary);
      for (const line of readFileSync(fixture("chat", name)!, "utf8").trim().split("\n")) {
        const { messages, kwargs, rendered, error, ...record } = JSON.parse(line);
        const { tools, add_generation_prompt, ...variables } = kwargs;
        const input: ChatInput = { messages, tools, addGenerationPrompt: add_generation_prompt, variables };
        if (error !== undefined) {
          await expect(chat.encode(input)).rejects.toThrow(TextError);
          continue;
        }
        const { text, ids } = await chat.encode(input);
        expect(text, record.name).toBe(rendered);
        expect(vocabulary.decode(ids)).toBe(rendered);
        if (record.name !== "special tokens inside the content")
          expect(ids, record.name).toEqual(vocabulary.encode(rendered, { special: true }));
        else expect(ids.length).toBeGreaterThan(vocabulary.encode(rendered, { special: true }).length);
      }
    });
  }

  it("are there", (t) => {
    if (fixture("chat", "info.json") === null) t.skip(NO_SHARED);
  });
});

describe("tool arguments", () => {
  const call = (args: unknown) => ({ tool_calls: [{ id: "1", function: { name: "f", arguments: args } }] });
  const loop = (body: string) =>
    `{% for m in messages %}{% for c in m.tool_calls or [] %}{% set a = c.function.arguments %}${body}{% endfor %}{% endfor %}`;

  it("the form is found by trying: text as it is, or what tojson and items() need", async () => {
    expect(await renderer(loop("{{ a }}")).toolArgumentsForm()).toBe("string");
    expect(await renderer(loop("{{ '```' + a }}")).toolArgumentsForm()).toBe("string");
    expect(await renderer(loop("{{ a | tojson }}")).toolArgumentsForm()).toBe("object");
    expect(await renderer(loop("{% for k, v in a.items() %}{{ k | tojson }}{% endfor %}")).toolArgumentsForm()).toBe(
      "object",
    );
    const pairs = "{% for k, v in a.items() %}<arg_key>{{ k }}</arg_key>{% endfor %}"; // as GLM's
    expect(await renderer(loop(pairs)).toolArgumentsForm()).toBe("object");
    expect(
      await renderer(loop("{% if a is string %}{{ a }}{% else %}{{ a | tojson }}{% endif %}")).toolArgumentsForm(),
    ).toBe("string");
    expect(await renderer("no calls here").toolArgumentsForm()).toBe("string");
  });

  it("the released templates' forms", async (t) => {
    const forms: Record<string, string> = {};
    for (const name of ["deepseek_v3", "deepseek_v3_1", "deepseek_v3_2", "r1_distill_llama", "r1_distill_qwen"]) {
      const file = fixture("chat", `${name}.jinja`);
      if (file === null) return t.skip(NO_SHARED);
      forms[name] = await renderer(readFileSync(file, "utf8")).toolArgumentsForm();
    }
    expect(forms).toEqual({
      deepseek_v3: "string",
      deepseek_v3_1: "object",
      deepseek_v3_2: "object",
      r1_distill_llama: "string",
      r1_distill_qwen: "object",
    });
  });

  it("are brought into the form wanted where they can be", () => {
    expect(withToolArguments([call('{"a": 1}')], "object")).toEqual([call({ a: 1 })]);
    expect(withToolArguments([call({ a: 1 })], "string")).toEqual([call('{"a":1}')]);
    for (const args of ["not json", "[1]", "1", null, undefined, 5])
      expect(withToolArguments([call(args)], "object")).toEqual([call(args)]);
    const others = [{ role: "user", content: "x" }, { tool_calls: null }, { tool_calls: [null, 1, {}] }];
    for (const form of ["string", "object"] as const) expect(withToolArguments(others, form)).toEqual(others);
  });
});
