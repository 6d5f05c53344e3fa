import * as z from "zod";
import { textFormat } from "./answer-form.ts";

const status = z.enum(["in_progress", "completed", "incomplete", "failed"]);
const itemStatus = z.enum(["in_progress", "completed", "incomplete"]);

const logprob = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.number()) });

const outputText = z.object({
  type: z.literal("output_text"),
  text: z.string(),
  annotations: z.array(z.never()),
  /** Empty unless include asks for them. */
  logprobs: z.array(logprob.extend({ top_logprobs: z.array(logprob) })),
});

const reasoningText = z.object({ type: z.literal("reasoning_text"), text: z.string() });

const outputItem = z.discriminatedUnion("type", [
  z.object({
    id: z.string(),
    type: z.literal("reasoning"),
    summary: z.array(z.never()),
    /** What the model wrote between <think> and </think>. */
    content: z.array(reasoningText),
    status: itemStatus,
  }),
  z.object({
    id: z.string(),
    type: z.literal("message"),
    role: z.literal("assistant"),
    content: z.array(outputText),
    status: itemStatus,
  }),
  z.object({
    id: z.string(),
    type: z.literal("function_call"),
    call_id: z.string(),
    name: z.string(),
    /** The arguments' JSON as the model wrote it: it need not be valid. */
    arguments: z.string(),
    status: itemStatus,
  }),
]);

const usage = z.object({
  input_tokens: z.number(),
  /** Tokens of the prompt that had been read for an earlier request. */
  input_tokens_details: z.object({ cached_tokens: z.number() }),
  output_tokens: z.number(),
  output_tokens_details: z.object({ reasoning_tokens: z.number() }),
  total_tokens: z.number(),
});

/** The answer to POST /v1/responses and GET /v1/responses/ID. */
export const responseObject = z.object({
  id: z.string(),
  object: z.literal("response"),
  /** Unix seconds. */
  created_at: z.number(),
  status,
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  incomplete_details: z.object({ reason: z.literal("max_output_tokens") }).nullable(),
  model: z.string(),
  output: z.array(outputItem),
  usage: usage.nullable(),
  /** What the request said, or its default; null where the model's own default holds. */
  instructions: z.string().nullable(),
  max_output_tokens: z.number().nullable(),
  metadata: z.record(z.string(), z.string()),
  parallel_tool_calls: z.boolean(),
  previous_response_id: z.string().nullable(),
  reasoning: z.object({ effort: z.string().nullable(), summary: z.string().nullable() }),
  store: z.boolean(),
  temperature: z.number().nullable(),
  text: z.object({ format: textFormat }),
  tool_choice: z.unknown(),
  tools: z.array(z.unknown()),
  top_logprobs: z.number(),
  top_p: z.number().nullable(),
  truncation: z.literal("disabled"),
  background: z.literal(false),
  service_tier: z.literal("default"),
});

const place = { item_id: z.string(), output_index: z.number() };
const part = { ...place, content_index: z.number() };
const numbered = { sequence_number: z.number() };

/** One event of a streamed answer; its type is the event's name too. */
export const responsesEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.enum([
      "response.created",
      "response.in_progress",
      "response.completed",
      "response.incomplete",
      "response.failed",
    ]),
    response: responseObject,
    ...numbered,
  }),
  z.object({
    type: z.enum(["response.output_item.added", "response.output_item.done"]),
    output_index: z.number(),
    item: outputItem,
    ...numbered,
  }),
  z.object({
    type: z.enum(["response.content_part.added", "response.content_part.done"]),
    ...part,
    part: z.union([outputText, reasoningText]),
    ...numbered,
  }),
  z.object({
    type: z.literal("response.output_text.delta"),
    ...part,
    delta: z.string(),
    logprobs: outputText.shape.logprobs,
    ...numbered,
  }),
  z.object({
    type: z.literal("response.output_text.done"),
    ...part,
    text: z.string(),
    logprobs: outputText.shape.logprobs,
    ...numbered,
  }),
  z.object({ type: z.literal("response.reasoning_text.delta"), ...part, delta: z.string(), ...numbered }),
  z.object({ type: z.literal("response.reasoning_text.done"), ...part, text: z.string(), ...numbered }),
  z.object({ type: z.literal("response.function_call_arguments.delta"), ...place, delta: z.string(), ...numbered }),
  z.object({
    type: z.literal("response.function_call_arguments.done"),
    ...place,
    name: z.string(),
    arguments: z.string(),
    ...numbered,
  }),
]);

/** The answer to DELETE /v1/responses/ID. */
export const responseDeleted = z.object({ id: z.string(), object: z.literal("response"), deleted: z.literal(true) });

export type ResponseObject = z.output<typeof responseObject>;
export type OutputItem = z.output<typeof outputItem>;
export type ResponsesEvent = z.output<typeof responsesEvent>;
export type ResponseDeleted = z.output<typeof responseDeleted>;
