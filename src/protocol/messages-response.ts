import * as z from "zod";

const usage = z.object({
  /** Tokens of the prompt without those of `cache_read_input_tokens`. */
  input_tokens: z.number(),
  cache_creation_input_tokens: z.number(),
  /** Tokens of the prompt that had been read for an earlier request. */
  cache_read_input_tokens: z.number(),
  output_tokens: z.number(),
});

const contentBlock = z.discriminatedUnion("type", [
  z.object({ type: z.literal("thinking"), thinking: z.string(), signature: z.string() }),
  z.object({ type: z.literal("text"), text: z.string(), citations: z.null() }),
  z.object({
    type: z.literal("tool_use"),
    id: z.string(),
    name: z.string(),
    /** The arguments; `{"INVALID_JSON": text}` where the model wrote none that are a JSON object. */
    input: z.record(z.string(), z.unknown()),
  }),
]);

const stopReason = z.enum(["end_turn", "max_tokens", "stop_sequence", "tool_use"]);

/** The answer to POST /v1/messages without `stream`. */
export const messagesAnswer = z.object({
  id: z.string(),
  type: z.literal("message"),
  role: z.literal("assistant"),
  model: z.string(),
  content: z.array(contentBlock),
  stop_reason: stopReason.nullable(),
  stop_sequence: z.string().nullable(),
  usage,
});

/** One event of a streamed answer; its type is the event's name too. */
export const messagesEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("message_start"), message: messagesAnswer }),
  z.object({ type: z.literal("content_block_start"), index: z.number(), content_block: contentBlock }),
  z.object({
    type: z.literal("content_block_delta"),
    index: z.number(),
    delta: z.discriminatedUnion("type", [
      z.object({ type: z.literal("thinking_delta"), thinking: z.string() }),
      z.object({ type: z.literal("signature_delta"), signature: z.string() }),
      z.object({ type: z.literal("text_delta"), text: z.string() }),
      z.object({ type: z.literal("input_json_delta"), partial_json: z.string() }),
    ]),
  }),
  z.object({ type: z.literal("content_block_stop"), index: z.number() }),
  z.object({
    type: z.literal("message_delta"),
    delta: z.object({ stop_reason: stopReason, stop_sequence: z.string().nullable() }),
    usage,
  }),
  z.object({ type: z.literal("message_stop") }),
  z.object({ type: z.literal("ping") }),
]);

/** The answer to POST /v1/messages/count_tokens. */
export const tokensCount = z.object({ input_tokens: z.number() });

/** The body of an error on these paths. */
export const anthropicError = z.object({
  type: z.literal("error"),
  error: z.object({ type: z.string(), message: z.string() }),
  request_id: z.string().optional(),
});

export type MessagesAnswer = z.output<typeof messagesAnswer>;
export type MessagesEvent = z.output<typeof messagesEvent>;
export type ContentBlock = z.output<typeof contentBlock>;
export type MessagesUsage = z.output<typeof usage>;
export type TokensCount = z.output<typeof tokensCount>;
