import { TextError } from "../../errors.ts";
import { loadText } from "../../node.ts";
import { ChatRenderer } from "../../tokenizer/chat-template.ts";
import { nodeTemplateThread } from "../../tokenizer/template-node.ts";
import { TemplateWorker } from "../../tokenizer/template-worker.ts";
import { defineCommand } from "../command.ts";
import { TEXT_EXITS, UsageError } from "../exit-codes.ts";
import { readJsonInput } from "../input.ts";
import { textModelArg } from "../shared-args.ts";

type JsonObject = Readonly<Record<string, unknown>>;

export const render = defineCommand({
  name: "render",
  summary: "Print the prompt that the chat template makes of messages",
  description:
    "Messages and tools are handed to the template as they are, and its text is printed exactly,\n" +
    "with no line end added: what apply_chat_template of Hugging Face transformers gives.",
  args: {
    model: textModelArg,
    messages: {
      type: "text",
      value: "FILE",
      required: true,
      help: "JSON array of messages (role, content, ...); - is stdin",
    },
    tools: { type: "text", value: "FILE", help: "JSON array of tools in OpenAI's form" },
    thinking: { type: "flag", negatable: true, help: "ask for reasoning; default what the template does by itself" },
    addGenerationPrompt: { type: "flag", help: "end with the opening of the assistant's turn" },
  },
  examples: [
    {
      command: "deepts render --model ./DeepSeek-V3.1 --messages chat.json --add-generation-prompt",
      what: "the prompt that an answer is generated from",
    },
    {
      command: `echo '[{"role":"user","content":"Hi"}]' | deepts render --messages - --thinking`,
      what: "messages from stdin",
    },
  ],
  exits: TEXT_EXITS,
  async run({ args, io, stdout, signal }) {
    const messages = checkList(
      await readJsonInput(args.messages, { io, signal }, "--messages"),
      "--messages",
      "messages",
    );
    const tools = args.tools === undefined ? null : await readJsonInput(args.tools, { io, signal }, "--tools");
    const { chatTemplate, bosToken, eosToken, tokenizer } = await loadText(args.model);
    if (chatTemplate === null) throw new TextError("this model has no chat template");
    const worker = new TemplateWorker(nodeTemplateThread());
    try {
      const template = { source: chatTemplate, bosToken, eosToken };
      const renderer = new ChatRenderer(template, tokenizer, (source, variables) => worker.render(source, variables));
      const text = await renderer.text({
        messages,
        tools: tools === null ? null : checkList(tools, "--tools", "tools"),
        thinking: args.thinking,
        addGenerationPrompt: args.addGenerationPrompt,
      });
      await stdout.write(text);
    } finally {
      await worker.close();
    }
  },
});

function checkList(value: unknown, from: string, what: string): readonly JsonObject[] {
  const isObject = (item: unknown) => typeof item === "object" && item !== null && !Array.isArray(item);
  if (Array.isArray(value) && value.every(isObject)) return value;
  throw new UsageError(`${from}: want a JSON array of ${what}, each an object`);
}
