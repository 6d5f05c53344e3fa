import * as z from "zod";
import { checkForms, formFields, responseFormat } from "./answer-form.ts";
import { limited, list, optional, withoutEffect } from "./fields.ts";
import { checkStreamOptions, commonFields, samplingFields } from "./sampling.ts";

const MAX_MESSAGES = 16_384;
const MAX_PARTS = 4096;
const MAX_TOOLS = 128;
const MAX_TOOL_CALLS = 128;
const MAX_TOP_LOGPROBS = 20;

/** A content part of a kind that a text model cannot read. */
function unreadablePart(type: string) {
  return z.looseObject({
    type: limited(z.literal(type), () => false, `${type} parts are not supported: the models read text only`),
  });
}

const contentPart = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text"), text: z.string() }),
  unreadablePart("image_url"),
  unreadablePart("input_audio"),
  unreadablePart("video_url"),
  unreadablePart("file"),
  unreadablePart("refusal"),
]);

/** A string or text parts; a string comes out. */
const content = z.union([
  z.string(),
  list(contentPart, { min: 1, max: MAX_PARTS }).transform((parts) =>
    parts.map((part) => ("text" in part ? part.text : "")).join("\n"),
  ),
]);

const toolCall = z.strictObject({
  id: z.string(),
  type: z.literal("function"),
  function: z.strictObject({ name: z.string(), arguments: z.string() }),
  /** Left over where a client sends back the deltas of a stream. */
  index: optional(z.int()),
});

const name = optional(z.string());

const assistantMessage = z
  .strictObject({
    role: z.literal("assistant"),
    content: optional(content),
    name,
    tool_calls: optional(list(toolCall, { max: MAX_TOOL_CALLS })),
    reasoning_content: optional(z.string()),
    // Clients send back the messages they got; these say nothing to a model.
    refusal: optional(z.string()),
    annotations: withoutEffect,
    audio: z.null().optional(),
    function_call: z.null().optional(),
    /** DeepSeek's extension: the answer begins with this message. */
    prefix: optional(z.boolean()),
  })
  .superRefine((message, context) => {
    if (message.content !== undefined || message.tool_calls?.length) return;
    context.addIssue({
      code: "custom",
      path: ["content"],
      message: "is required in an assistant message without tool_calls",
    });
  });

const message = z.discriminatedUnion("role", [
  z.strictObject({ role: z.literal("system"), content, name }),
  z.strictObject({ role: z.literal("developer"), content, name }),
  z.strictObject({ role: z.literal("user"), content, name }),
  assistantMessage,
  z.strictObject({ role: z.literal("tool"), content, tool_call_id: z.string(), name }),
]);

export const functionName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/);

const tool = z.strictObject({
  type: limited(z.enum(["function", "custom"]), (type) => type === "function", "of custom tools is not supported"),
  function: z.strictObject({
    name: functionName,
    description: optional(z.string()),
    /** A JSON schema; the templates print it, and with `strict` calls are held to it. */
    parameters: optional(z.record(z.string(), z.unknown())),
    strict: optional(z.boolean()),
  }),
});

/** "auto", "none", "required", or the name of a tool; an object with the name comes out of the last. */
const toolChoice = z.union([
  z.enum(["auto", "none", "required"]),
  z.discriminatedUnion("type", [
    z
      .strictObject({ type: z.literal("function"), function: z.strictObject({ name: functionName }) })
      .transform(({ function: { name } }) => ({ name })),
    unsupportedChoice("allowed_tools", "leave the others out of tools"),
    unsupportedChoice("custom", `custom tools are not supported`),
  ]),
]);

function unsupportedChoice(type: string, advice: string) {
  return z.looseObject({ type: limited(z.literal(type), () => false, `${type} is not supported: ${advice}`) });
}

const thinking = z.union([
  z.boolean(),
  z.strictObject({ type: z.enum(["enabled", "disabled"]) }).transform(({ type }) => type === "enabled"),
]);

/** POST /v1/chat/completions. `parameters.ts` says what each field means and which others are refused. */
export const chatRequest = z
  .strictObject({
    ...commonFields,
    ...samplingFields,
    ...formFields,
    messages: list(message, { min: 1, max: MAX_MESSAGES }),
    max_tokens: optional(z.int().min(1)),
    max_completion_tokens: optional(z.int().min(1)),
    logprobs: optional(z.boolean()),
    top_logprobs: optional(z.int().min(0).max(MAX_TOP_LOGPROBS)),
    tools: optional(list(tool, { max: MAX_TOOLS })),
    tool_choice: optional(toolChoice),
    parallel_tool_calls: optional(z.boolean()),
    response_format: optional(responseFormat),
    reasoning_effort: optional(z.enum(["none", "minimal", "low", "medium", "high", "xhigh", "max"])),
    thinking: optional(thinking),
    chat_template_kwargs: optional(
      z.strictObject({ thinking: optional(z.boolean()), enable_thinking: optional(z.boolean()) }),
    ),
    modalities: optional(
      limited(
        list(z.enum(["text", "audio"]), { max: 2 }),
        (kinds) => !kinds.includes("audio"),
        '"audio" is not supported',
      ),
    ),
    service_tier: optional(
      limited(
        z.string(),
        (tier) => tier === "auto" || tier === "default",
        'other than "auto" and "default" is not supported',
      ),
    ),
    store: optional(limited(z.boolean(), (store) => !store, "true is not supported: nothing is stored")),
    verbosity: optional(
      limited(z.enum(["low", "medium", "high"]), (level) => level === "medium", 'other than "medium" is not supported'),
    ),
    user: withoutEffect,
    safety_identifier: withoutEffect,
    metadata: withoutEffect,
    prediction: withoutEffect,
    prompt_cache_key: withoutEffect,
    prompt_cache_options: withoutEffect,
    prompt_cache_retention: withoutEffect,
  })
  .superRefine((body, context) => {
    checkStreamOptions(body, context);
    checkForms(body, context);
    const { max_tokens, max_completion_tokens } = body;
    if (max_tokens !== undefined && max_completion_tokens !== undefined && max_tokens !== max_completion_tokens) {
      context.addIssue({
        code: "custom",
        path: ["max_tokens"],
        message: `is ${max_tokens}, but max_completion_tokens, its newer name, is ${max_completion_tokens}: send one of them`,
      });
    }
    if (body.top_logprobs !== undefined && !body.logprobs) {
      context.addIssue({ code: "custom", path: ["top_logprobs"], message: "needs logprobs: true" });
    }
    for (const [index, message] of body.messages.entries()) {
      if (message.role !== "assistant" || !message.prefix || index === body.messages.length - 1) continue;
      context.addIssue({
        code: "custom",
        path: ["messages", index, "prefix"],
        message: "is for the last message only: the answer begins with it",
      });
    }
    checkToolChoice(body, context);
    if (new Set(thinkingWishes(body).map(({ on }) => on)).size > 1) {
      const names = thinkingWishes(body).map(({ field }) => field);
      context.addIssue({
        code: "custom",
        path: ["thinking"],
        message: `contradicting values in ${names.join(" and ")}`,
      });
    }
  });

export type ChatRequest = z.output<typeof chatRequest>;
/** The body as a client writes it. */
export type ChatRequestBody = z.input<typeof chatRequest>;
export type ChatMessage = ChatRequest["messages"][number];

interface ToolFields {
  readonly tools?: readonly { readonly function: { readonly name: string } }[] | undefined;
  readonly tool_choice?:
    | "auto"
    | "none"
    | "required"
    | { readonly name: string }
    | { readonly type: string }
    | undefined;
}

/** A call that the answer must be: of the tool named, or of any. Null: it need not. */
export function forcedTool({ tool_choice: choice }: ToolFields): { name: string | null } | null {
  if (choice === "required") return { name: null };
  return typeof choice === "object" && "name" in choice ? { name: choice.name } : null;
}

function checkToolChoice(body: ToolFields, context: z.RefinementCtx): void {
  const forced = forcedTool(body);
  if (forced === null) return;
  const issue = (message: string) => context.addIssue({ code: "custom", path: ["tool_choice"], message });
  const names = (body.tools ?? []).map(({ function: { name } }) => name);
  if (names.length === 0) issue("needs tools");
  else if (forced.name !== null && !names.includes(forced.name)) issue("names a tool that is not in tools");
}

type ThinkingFields = Partial<Pick<ChatRequest, "thinking" | "reasoning_effort" | "chat_template_kwargs">>;

/** Whether the request wants a reasoning block; undefined where it does not say. */
export function wantsThinking(body: ThinkingFields): boolean | undefined {
  return thinkingWishes(body)[0]?.on;
}

function thinkingWishes(body: ThinkingFields): { field: string; on: boolean }[] {
  const effort = body.reasoning_effort;
  const wishes = [
    { field: "thinking", on: body.thinking },
    { field: "chat_template_kwargs.thinking", on: body.chat_template_kwargs?.thinking },
    { field: "chat_template_kwargs.enable_thinking", on: body.chat_template_kwargs?.enable_thinking },
    { field: "reasoning_effort", on: effort === undefined ? undefined : effort !== "none" },
  ];
  return wishes.filter((wish): wish is { field: string; on: boolean } => wish.on !== undefined);
}
