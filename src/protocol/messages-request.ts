import * as z from "zod";
import { outputFormat, schemaField } from "./answer-form.ts";
import { limited, list, optional, withoutEffect } from "./fields.ts";
import { MAX_STOP_STRINGS, stopString } from "./sampling.ts";

const MAX_MESSAGES = 16_384;
const MAX_BLOCKS = 4096;
const MAX_TOOLS = 128;

/** The cache works by itself; a mark on what to keep changes nothing. */
const cache_control = withoutEffect;

function unsupportedBlock<const T extends string>(type: T) {
  return z.looseObject({
    type: limited(z.literal(type), () => false, `${type} blocks are not supported: the models read text only`),
  });
}

const textBlock = z.strictObject({
  type: z.literal("text"),
  text: z.string(),
  cache_control,
  citations: z.null().optional(),
});

/** Text as it is, or text blocks joined by newlines. */
const text = z.union([
  z.string(),
  list(z.discriminatedUnion("type", [textBlock, unsupportedBlock("image"), unsupportedBlock("document")]), {
    max: MAX_BLOCKS,
  }).transform((blocks) => blocks.map((block) => (block.type === "text" ? block.text : "")).join("\n")),
]);

const contentBlock = z.discriminatedUnion("type", [
  textBlock,
  z.strictObject({ type: z.literal("thinking"), thinking: z.string(), signature: optional(z.string()) }),
  z.strictObject({
    type: z.literal("tool_use"),
    id: z.string(),
    name: z.string(),
    input: z.record(z.string(), z.unknown()),
    cache_control,
    caller: withoutEffect,
  }),
  z.strictObject({
    type: z.literal("tool_result"),
    tool_use_id: z.string(),
    content: optional(text),
    is_error: optional(z.boolean()),
    cache_control,
  }),
  unsupportedBlock("image"),
  unsupportedBlock("document"),
  unsupportedBlock("search_result"),
  unsupportedBlock("redacted_thinking"),
]);

const content = z.union([
  z.string().transform((text) => [{ type: "text" as const, text }]),
  list(contentBlock, { max: MAX_BLOCKS }),
]);

const message = z.strictObject({ role: z.enum(["user", "assistant", "system"]), content });

const toolName = z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/);

const tool = z.strictObject({
  type: optional(
    limited(z.string(), (type) => type === "custom", 'other than "custom" is not supported: the server runs no tools'),
  ),
  name: toolName,
  description: optional(z.string()),
  input_schema: schemaField,
  strict: optional(z.boolean()),
  input_examples: withoutEffect,
  eager_input_streaming: withoutEffect,
  cache_control,
});

const disable_parallel_tool_use = optional(z.boolean());

const toolChoice = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("auto"), disable_parallel_tool_use }),
  z.strictObject({ type: z.literal("any"), disable_parallel_tool_use }),
  z.strictObject({ type: z.literal("tool"), name: toolName, disable_parallel_tool_use }),
  z.strictObject({ type: z.literal("none") }),
]);

const display = optional(
  limited(z.string(), (how) => how === "summarized", "can only be summarized: it is shown whole"),
);

/** On or off; a budget is a hint. */
const thinking = z
  .discriminatedUnion("type", [
    z.strictObject({ type: z.literal("enabled"), budget_tokens: optional(z.int().min(1)), display }),
    z.strictObject({ type: z.literal("adaptive"), display }),
    z.strictObject({ type: z.literal("disabled") }),
  ])
  .transform(({ type }) => type !== "disabled");

const outputConfig = z.strictObject({
  effort: withoutEffect,
  format: optional(outputFormat),
});

/** What both endpoints take. */
const conversation = {
  model: optional(z.string().max(512)),
  messages: list(message, { min: 1, max: MAX_MESSAGES }),
  system: optional(text),
  tools: optional(list(tool, { max: MAX_TOOLS })),
  tool_choice: optional(toolChoice),
  thinking: optional(thinking),
  output_config: optional(outputConfig),
  cache_control,
};

type Conversation = z.output<z.ZodObject<typeof conversation>>;

/** POST /v1/messages/count_tokens. */
export const countTokensRequest = z.strictObject(conversation).superRefine(checkConversation);

/** POST /v1/messages. `parameters.ts` says what each field means and which others are refused. */
export const messagesRequest = z
  .strictObject({
    ...conversation,
    max_tokens: z.int().min(1),
    stream: optional(z.boolean()),
    stop_sequences: optional(list(stopString, { max: MAX_STOP_STRINGS })),
    temperature: optional(z.number().min(0).max(1)),
    top_p: optional(z.number().min(0).max(1)),
    top_k: optional(z.int().min(0)),
    service_tier: optional(z.enum(["auto", "standard_only"])),
    metadata: withoutEffect,
  })
  .superRefine(checkConversation);

function checkConversation({ messages, tools, tool_choice }: Conversation, context: z.RefinementCtx): void {
  const issue = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
  const forced = tool_choice?.type === "any" || tool_choice?.type === "tool";
  const names = (tools ?? []).map(({ name }) => name);
  if (forced && names.length === 0) issue(["tool_choice"], "needs tools");
  else if (tool_choice?.type === "tool" && !names.includes(tool_choice.name))
    issue(["tool_choice", "name"], "names a tool that is not in tools");
  const last = messages.at(-1); // a list that is empty has been refused, but comes here all the same
  if (last?.role === "assistant" && last.content.some(({ type }) => type === "tool_use"))
    issue(["messages", messages.length - 1], "ends with a call: its tool_result is missing");
}

export type MessagesRequest = z.output<typeof messagesRequest>;
export type CountTokensRequest = z.output<typeof countTokensRequest>;
export type MessageParam = MessagesRequest["messages"][number];
