import * as z from "zod";
import { usage } from "./chat-response.ts";

/** The older form of log-probabilities: one entry a token in each list. */
const logprobs = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number()),
  top_logprobs: z.array(z.record(z.string(), z.number())),
  /** Where each token starts in the answer's text, in UTF-16 units. */
  text_offset: z.array(z.number()),
});

/** The answer to POST /v1/completions; streamed, each event has the same form. */
export const completion = z.object({
  id: z.string(),
  object: z.literal("text_completion"),
  /** Unix seconds. */
  created: z.number(),
  model: z.string(),
  system_fingerprint: z.string(),
  choices: z.array(
    z.object({
      /** Position of the prompt times n, plus the choice. */
      index: z.number(),
      text: z.string(),
      logprobs: logprobs.nullable(),
      /** Null in a stream until the last event of the choice. */
      finish_reason: z.enum(["stop", "length"]).nullable(),
    }),
  ),
  usage: usage.nullish(),
});

export type CompletionLogprobs = z.output<typeof logprobs>;
export type Completion = z.output<typeof completion>;
