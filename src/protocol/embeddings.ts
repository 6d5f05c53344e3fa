import * as z from "zod";
import { list, optional, tokenList, withoutEffect } from "./fields.ts";

const MAX_INPUTS = 256;
const MAX_TOKENS = 1 << 21;

const text = z.string().min(1);
const tokenIds = tokenList({ min: 1, max: MAX_TOKENS });

/** POST /v1/embeddings. A list of inputs comes out. */
export const embeddingsRequest = z.strictObject({
  model: optional(z.string().max(512)),
  input: z.union([
    text.transform((one): (string | number[])[] => [one]),
    list(text, { min: 1, max: MAX_INPUTS }).transform((texts): (string | number[])[] => texts),
    tokenIds.transform((ids): (string | number[])[] => [ids]),
    list(tokenIds, { min: 1, max: MAX_INPUTS }).transform((inputs): (string | number[])[] => inputs),
  ]),
  encoding_format: optional(z.enum(["float", "base64"])).transform((format) => format ?? "float"),
  pooling: optional(z.enum(["mean", "last"])).transform((pooling) => pooling ?? "mean"),
  user: withoutEffect,
});

export const embeddings = z.object({
  object: z.literal("list"),
  data: z.array(
    z.object({
      object: z.literal("embedding"),
      index: z.number(),
      /** Of length 1; with base64 the bytes of its f32 values, little-endian. */
      embedding: z.union([z.array(z.number()), z.string()]),
    }),
  ),
  model: z.string(),
  usage: z.object({ prompt_tokens: z.number(), total_tokens: z.number() }),
});

export type EmbeddingsRequest = z.output<typeof embeddingsRequest>;
export type Embeddings = z.output<typeof embeddings>;
