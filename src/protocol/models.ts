import * as z from "zod";

/** One entry of GET /v1/models. */
export const modelCard = z.object({
  id: z.string(),
  object: z.literal("model"),
  /** Unix seconds. */
  created: z.number(),
  owned_by: z.string(),
  /** One sentence for people, e.g. that this is a demonstration model. Not in OpenAI's API. */
  description: z.string(),
  /** Tokens that prompt and answer may have together. Not in OpenAI's API. */
  context_length: z.number(),
});

export const modelList = z.object({ object: z.literal("list"), data: z.array(modelCard) });

export type ModelCard = z.output<typeof modelCard>;
export type ModelList = z.output<typeof modelList>;
