import * as z from "zod";

const finishReason = z.enum(["stop", "length", "tool_calls"]);

export const usage = z.object({
  prompt_tokens: z.number(),
  /** Reasoning and the end token included, of all choices. */
  completion_tokens: z.number(),
  total_tokens: z.number(),
  /** Tokens of the prompt that had been read for an earlier request. */
  prompt_tokens_details: z.object({ cached_tokens: z.number() }),
  /** DeepSeek's names for the same, and for the other tokens of the prompt. */
  prompt_cache_hit_tokens: z.number(),
  prompt_cache_miss_tokens: z.number(),
  completion_tokens_details: z.object({ reasoning_tokens: z.number() }).optional(),
});

const logprob = z.object({
  token: z.string(),
  logprob: z.number(),
  /** UTF-8 of the token; a character may be spread over several tokens. */
  bytes: z.array(z.number()),
});

const tokenLogprob = logprob.extend({ top_logprobs: z.array(logprob) });

const logprobs = z.object({
  content: z.array(tokenLogprob),
  /** DeepSeek's extension: tokens of the reasoning. */
  reasoning_content: z.array(tokenLogprob).optional(),
});

const toolCall = z.object({
  id: z.string(),
  type: z.literal("function"),
  /** The arguments' JSON as the model wrote it: it need not be valid. */
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const head = {
  id: z.string(),
  /** Unix seconds. */
  created: z.number(),
  model: z.string(),
  system_fingerprint: z.string(),
};

/** The answer to POST /v1/chat/completions without `stream`. */
export const chatCompletion = z.object({
  ...head,
  object: z.literal("chat.completion"),
  choices: z.array(
    z.object({
      index: z.number(),
      message: z.object({
        role: z.literal("assistant"),
        /** Null where the answer is tool calls alone. */
        content: z.string().nullable(),
        refusal: z.null(),
        /** What the model wrote between <think> and </think>. */
        reasoning_content: z.string().optional(),
        tool_calls: z.array(toolCall).optional(),
      }),
      logprobs: logprobs.nullable(),
      finish_reason: finishReason,
    }),
  ),
  usage,
});

/** One event of a streamed answer. The last one before `[DONE]` has no choices and the usage, if asked for. */
export const chatCompletionChunk = z.object({
  ...head,
  object: z.literal("chat.completion.chunk"),
  choices: z.array(
    z.object({
      index: z.number(),
      delta: z.object({
        role: z.literal("assistant").optional(),
        content: z.string().optional(),
        reasoning_content: z.string().optional(),
        tool_calls: z
          .array(
            z.object({
              index: z.number(),
              id: z.string().optional(),
              type: z.literal("function").optional(),
              function: z.object({ name: z.string().optional(), arguments: z.string() }),
            }),
          )
          .optional(),
      }),
      logprobs: logprobs.nullable(),
      finish_reason: finishReason.nullable(),
    }),
  ),
  usage: usage.nullish(),
});

export type FinishReason = z.output<typeof finishReason>;
export type Usage = z.output<typeof usage>;
export type Logprob = z.output<typeof logprob>;
export type ChatLogprobs = z.output<typeof logprobs>;
export type ChatTokenLogprob = z.output<typeof tokenLogprob>;
export type ChatToolCall = z.output<typeof toolCall>;
export type ChatCompletion = z.output<typeof chatCompletion>;
export type ChatCompletionChunk = z.output<typeof chatCompletionChunk>;
export type ChatDelta = ChatCompletionChunk["choices"][number]["delta"];
