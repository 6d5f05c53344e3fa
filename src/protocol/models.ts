import * as z from "zod";

/** An unloaded model is loaded when it is used; of one that is being unloaded the last answers are still made. */
export const modelState = z.enum(["loaded", "loading", "unloaded", "unloading"]);

/** One entry of GET /v1/models. */
export const modelCard = z.object({
  id: z.string(),
  object: z.literal("model"),
  /** Unix seconds. */
  created: z.number(),
  owned_by: z.string(),
  /** One sentence for people, e.g. that this is a demonstration model. Not in OpenAI's API. */
  description: z.string(),
  /** Tokens that prompt and answer may have together; null where it was never loaded. Not in OpenAI's API. */
  context_length: z.number().nullable(),
  /** Not in OpenAI's API. */
  state: modelState,
  /** Weights, cache and scratch once it is loaded; null where nobody can tell. Not in OpenAI's API. */
  memory_bytes: z.number().nullable(),
});

export const modelList = z.object({ object: z.literal("list"), data: z.array(modelCard) });

/** POST /v1/models/load and /v1/models/unload. */
export const modelRequest = z.strictObject({ model: z.string().min(1).max(512) });

export type ModelState = z.output<typeof modelState>;
export type ModelCard = z.output<typeof modelCard>;
export type ModelList = z.output<typeof modelList>;
