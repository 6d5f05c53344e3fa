import * as z from "zod";
import { schemaField, textFormat } from "./answer-form.ts";
import { functionName } from "./chat-request.ts";
import { limited, list, optional, withoutEffect } from "./fields.ts";
import { samplingFields } from "./sampling.ts";

const MAX_ITEMS = 16_384;
const MAX_PARTS = 4096;
const MAX_TOOLS = 128;
const MAX_TOP_LOGPROBS = 20;

function unsupported<const T extends string>(type: T, reason: string) {
  return z.looseObject({ type: limited(z.literal(type), () => false, `${type} is not supported: ${reason}`) });
}

const TEXT_ONLY = "the models read text only";

const contentPart = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("input_text"), text: z.string() }),
  z.strictObject({
    type: z.literal("output_text"),
    text: z.string(),
    annotations: withoutEffect,
    logprobs: withoutEffect,
  }),
  unsupported("input_image", TEXT_ONLY),
  unsupported("input_file", TEXT_ONLY),
  unsupported("input_audio", TEXT_ONLY),
  unsupported("refusal", TEXT_ONLY),
]);

/** A string or text parts; a string comes out. */
const content = z.union([
  z.string(),
  list(contentPart, { max: MAX_PARTS }).transform((parts) =>
    parts.map((part) => ("text" in part && typeof part.text === "string" ? part.text : "")).join("\n"),
  ),
]);

/** Left over where a client sends back what it got. */
const leftover = { id: optional(z.string()), status: optional(z.string()) };

const reasoningText = z.strictObject({ type: z.literal("reasoning_text"), text: z.string() });

const inputItem = z.preprocess(
  // The short form of a message has no type.
  (item) => (typeof item === "object" && item !== null && !("type" in item) ? { ...item, type: "message" } : item),
  z.discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("message"),
      role: z.enum(["user", "assistant", "system", "developer"]),
      content,
      phase: withoutEffect,
      ...leftover,
    }),
    z.strictObject({
      type: z.literal("function_call"),
      call_id: z.string(),
      name: z.string(),
      arguments: z.string(),
      ...leftover,
    }),
    z.strictObject({ type: z.literal("function_call_output"), call_id: z.string(), output: content, ...leftover }),
    z.strictObject({
      type: z.literal("reasoning"),
      summary: withoutEffect,
      content: optional(list(reasoningText, { max: MAX_PARTS })),
      encrypted_content: z.null().optional(),
      ...leftover,
    }),
    unsupported("item_reference", "send the item itself, or previous_response_id"),
  ]),
);

const input = z.union([
  z.string().transform((text) => [{ type: "message" as const, role: "user" as const, content: text }]),
  list(inputItem, { min: 1, max: MAX_ITEMS }),
]);

const tool = z.strictObject({
  type: limited(z.string(), (type) => type === "function", 'other than "function" is not supported'),
  name: functionName,
  description: optional(z.string()),
  parameters: optional(schemaField),
  strict: optional(z.boolean()),
});

const toolChoice = z.union([
  z.enum(["auto", "none", "required"]),
  z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("function"), name: functionName }),
    unsupported("allowed_tools", "leave the others out of tools"),
    unsupported("custom", "there are no custom tools"),
    unsupported("mcp", "the server runs no tools"),
  ]),
]);

const textConfig = z.strictObject({
  format: optional(textFormat),
  verbosity: optional(
    limited(z.enum(["low", "medium", "high"]), (level) => level === "medium", 'other than "medium" is not supported'),
  ),
});

const reasoning = z.strictObject({
  effort: optional(z.enum(["none", "minimal", "low", "medium", "high", "xhigh", "max"])),
  summary: optional(
    limited(z.string(), (how) => how === "auto", 'other than "auto" is not supported: the reasoning itself is given'),
  ),
});

/** POST /v1/responses. `parameters.ts` says what each field means and which others are refused. */
export const responsesRequest = z
  .strictObject({
    model: optional(z.string().max(512)),
    input,
    instructions: optional(z.string()),
    previous_response_id: optional(z.string().max(128)),
    max_output_tokens: optional(z.int().min(1)),
    temperature: samplingFields.temperature,
    top_p: samplingFields.top_p,
    top_logprobs: optional(z.int().min(0).max(MAX_TOP_LOGPROBS)),
    stream: optional(z.boolean()),
    stream_options: optional(z.strictObject({ include_obfuscation: optional(z.literal(false)) })),
    tools: optional(list(tool, { max: MAX_TOOLS })),
    tool_choice: optional(toolChoice),
    parallel_tool_calls: optional(z.boolean()),
    text: optional(textConfig),
    reasoning: optional(reasoning),
    include: optional(list(z.string().max(100), { max: 16 })),
    metadata: optional(z.record(z.string().max(64), z.string().max(512))),
    store: optional(z.boolean()),
    truncation: optional(
      limited(
        z.enum(["auto", "disabled"]),
        (how) => how === "disabled",
        '"auto" is not supported: a prompt is never cut',
      ),
    ),
    background: optional(limited(z.boolean(), (on) => !on, "true is not supported")),
    service_tier: optional(
      limited(
        z.string(),
        (tier) => tier === "auto" || tier === "default",
        'other than "auto" and "default" is not supported',
      ),
    ),
    max_tool_calls: withoutEffect,
    user: withoutEffect,
    safety_identifier: withoutEffect,
    prompt_cache_key: withoutEffect,
    prompt_cache_options: withoutEffect,
    prompt_cache_retention: withoutEffect,
  })
  .superRefine(({ tools, tool_choice: choice, stream, stream_options }, context) => {
    const issue = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
    const forced = choice === "required" || typeof choice === "object";
    const names = (tools ?? []).map(({ name }) => name);
    if (forced && names.length === 0) issue("tool_choice", "needs tools");
    else if (typeof choice === "object" && "name" in choice && !names.includes(choice.name as string))
      issue("tool_choice", "names a tool that is not in tools");
    if (stream_options !== undefined && !stream) issue("stream_options", "is only allowed with stream: true");
  });

export type ResponsesRequest = z.output<typeof responsesRequest>;
export type InputItem = ResponsesRequest["input"][number];
