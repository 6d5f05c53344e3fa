import * as z from "zod";
import { checkForms, formFields } from "./answer-form.ts";
import { limited, list, optional, tokenList, withoutEffect } from "./fields.ts";
import { checkStreamOptions, commonFields, samplingFields } from "./sampling.ts";

/** Answers one request may ask for: prompts times n. */
const MAX_ANSWERS = 32;
const MAX_PROMPT_TOKENS = 1 << 21;
const MAX_TOP_LOGPROBS = 20;
const DEFAULT_MAX_TOKENS = 16;

const tokenIds = tokenList({ min: 1, max: MAX_PROMPT_TOKENS });

/** A string, several strings, token ids, or several lists of them; a list of prompts comes out. */
const prompt = z.union([
  z.string().transform((text): (string | number[])[] => [text]),
  list(z.string(), { min: 1, max: MAX_ANSWERS }).transform((texts): (string | number[])[] => texts),
  tokenIds.transform((ids): (string | number[])[] => [ids]),
  list(tokenIds, { min: 1, max: MAX_ANSWERS }).transform((prompts): (string | number[])[] => prompts),
]);

/** POST /v1/completions. `parameters.ts` says what each field means and which others are refused. */
export const completionRequest = z
  .strictObject({
    ...commonFields,
    ...samplingFields,
    ...formFields,
    prompt,
    max_tokens: optional(z.int().min(1)).transform((tokens) => tokens ?? DEFAULT_MAX_TOKENS),
    logprobs: optional(z.int().min(0).max(MAX_TOP_LOGPROBS)),
    suffix: optional(z.string()),
    best_of: optional(z.int().min(1)),
    echo: optional(limited(z.boolean(), (echo) => !echo, "true is not supported")),
    user: withoutEffect,
  })
  .superRefine((body, context) => {
    checkStreamOptions(body, context);
    checkForms(body, context);
    const n = body.n ?? 1;
    if (body.best_of !== undefined && body.best_of !== n) {
      context.addIssue({
        code: "custom",
        path: ["best_of"],
        message: `other than n (${n}) is not supported`,
        params: { code: "unsupported_parameter" },
      });
    }
    if (body.suffix !== undefined && body.prompt.some((prompt) => typeof prompt !== "string")) {
      context.addIssue({ code: "custom", path: ["suffix"], message: "needs a prompt that is text, not token ids" });
    }
    if (body.prompt.length * n > MAX_ANSWERS) {
      context.addIssue({
        code: "custom",
        path: ["prompt"],
        message: `${body.prompt.length} prompts times n = ${n} are more than ${MAX_ANSWERS} answers: send several requests`,
      });
    }
  });

export type CompletionRequest = z.output<typeof completionRequest>;
