import type OpenAI from "openai";
import { expect, test } from "vitest";
import { chatRequest } from "./chat-request.ts";
import { completionRequest } from "./completion-request.ts";
import { chatParameters, completionParameters, type Parameter } from "./parameters.ts";

// A parameter that a newer client knows fails the type check here until it has been decided on.
const openaiChat = {
  messages: true,
  model: true,
  audio: true,
  frequency_penalty: true,
  function_call: true,
  functions: true,
  logit_bias: true,
  logprobs: true,
  max_completion_tokens: true,
  max_tokens: true,
  metadata: true,
  modalities: true,
  moderation: true,
  n: true,
  parallel_tool_calls: true,
  prediction: true,
  presence_penalty: true,
  prompt_cache_key: true,
  prompt_cache_options: true,
  prompt_cache_retention: true,
  reasoning_effort: true,
  response_format: true,
  safety_identifier: true,
  seed: true,
  service_tier: true,
  stop: true,
  store: true,
  stream: true,
  stream_options: true,
  temperature: true,
  tool_choice: true,
  tools: true,
  top_logprobs: true,
  top_p: true,
  user: true,
  verbosity: true,
  web_search_options: true,
} satisfies Record<keyof OpenAI.ChatCompletionCreateParams, true>;

const openaiCompletion = {
  model: true,
  prompt: true,
  best_of: true,
  echo: true,
  frequency_penalty: true,
  logit_bias: true,
  logprobs: true,
  max_tokens: true,
  n: true,
  presence_penalty: true,
  seed: true,
  stop: true,
  stream: true,
  stream_options: true,
  suffix: true,
  temperature: true,
  top_p: true,
  user: true,
} satisfies Record<keyof OpenAI.CompletionCreateParams, true>;

const names = (parameters: readonly Parameter[]) => parameters.map(({ name }) => name).sort();

test("every parameter of OpenAI's API is decided on, and what is not OpenAI's is marked", () => {
  for (const [table, openai] of [
    [chatParameters, openaiChat],
    [completionParameters, openaiCompletion],
  ] as const) {
    expect(names(table.filter(({ extension }) => !extension))).toEqual(Object.keys(openai).sort());
    expect(new Set(names(table)).size).toBe(table.length);
  }
});

test("the schemas hold exactly the parameters that are not refused", () => {
  for (const [table, schema] of [
    [chatParameters, chatRequest],
    [completionParameters, completionRequest],
  ] as const) {
    expect(Object.keys(schema.shape).sort()).toEqual(names(table.filter(({ state }) => state !== "refused")));
  }
});
