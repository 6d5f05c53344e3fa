import * as z from "zod";
import { chatRequest } from "./chat-request.ts";
import { optional, tokenList } from "./fields.ts";

const MAX_TOKENS = 1 << 21;

const model = optional(z.string().max(512));

/** POST /tokenize; fields and defaults are llama-server's. */
export const tokenizeRequest = z.strictObject({
  model,
  content: z.string(),
  add_special: optional(z.boolean()).transform((add) => add ?? false),
  parse_special: optional(z.boolean()).transform((parse) => parse ?? true),
  with_pieces: optional(z.boolean()).transform((pieces) => pieces ?? false),
});

/** POST /detokenize. */
export const detokenizeRequest = z.strictObject({ model, tokens: tokenList({ max: MAX_TOKENS }) });

/** POST /apply-template: of a chat request what the template sees. */
export const templateRequest = z.strictObject({
  model,
  messages: chatRequest.shape.messages,
  tools: chatRequest.shape.tools,
  thinking: chatRequest.shape.thinking,
  reasoning_effort: chatRequest.shape.reasoning_effort,
  chat_template_kwargs: chatRequest.shape.chat_template_kwargs,
  add_generation_prompt: optional(z.boolean()).transform((add) => add ?? true),
});

/** A token's text, or its bytes where they are no text by themselves. */
const piece = z.object({ id: z.number(), piece: z.union([z.string(), z.array(z.number())]) });

export const tokenized = z.object({ tokens: z.union([z.array(z.number()), z.array(piece)]) });
export const detokenized = z.object({ content: z.string() });
export const templated = z.object({
  prompt: z.string(),
  /** The prompt's ids. What stands in messages is plain text in them, also if it reads like a special token. */
  tokens: z.array(z.number()),
});

export type Tokenized = z.output<typeof tokenized>;
export type Detokenized = z.output<typeof detokenized>;
export type Templated = z.output<typeof templated>;
