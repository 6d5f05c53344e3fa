import type * as z from "zod";
import { chatRequest } from "./chat-request.ts";
import { chatCompletion, chatCompletionChunk } from "./chat-response.ts";
import { completionRequest } from "./completion-request.ts";
import { completion } from "./completion-response.ts";
import { embeddings, embeddingsRequest } from "./embeddings.ts";
import { errorBody } from "./error.ts";
import { health } from "./health.ts";
import { countTokensRequest, messagesRequest } from "./messages-request.ts";
import { anthropicError, messagesAnswer, messagesEvent, tokensCount } from "./messages-response.ts";
import { modelCard, modelList, modelRequest } from "./models.ts";
import {
  chatParameters,
  completionParameters,
  countTokensParameters,
  detokenizeParameters,
  embeddingsParameters,
  manageParameters,
  messagesParameters,
  type Parameter,
  responsesParameters,
  templateParameters,
  tokenizeParameters,
} from "./parameters.ts";
import { responsesRequest } from "./responses-request.ts";
import { responseDeleted, responseObject, responsesEvent } from "./responses-response.ts";
import {
  detokenized,
  detokenizeRequest,
  templated,
  templateRequest,
  tokenized,
  tokenizeRequest,
} from "./text-requests.ts";

/** One request of the API: what the OpenAPI document, the docs page and docs/API.md are made from. */
export interface Operation {
  readonly method: "GET" | "POST" | "DELETE";
  /** OpenAPI's form: `/v1/models/{id}`. */
  readonly path: string;
  readonly summary: string;
  /** Further paths for the same. */
  readonly aliases?: readonly string[];
  /** No API key is asked for. */
  readonly open?: true;
  /** An admin key is asked for. */
  readonly admin?: true;
  readonly request?: { readonly schema: z.ZodType; readonly parameters: readonly Parameter[] };
  /** Of status 200; a string is the media type of an answer that is no JSON. Without one, the path never gives 200. */
  readonly answer?: z.ZodType | string;
  /** Data of the server-sent events of `stream: true`. */
  readonly event?: z.ZodType;
  /** Data of the event behind them, which is no JSON. Default: there is none. */
  readonly lastEvent?: "[DONE]";
  /** Statuses of errors beside those that every request may get. */
  readonly errors?: readonly number[];
  /** Default OpenAI's form. */
  readonly error?: z.ZodType;
}

/** What a request may get that asks the model: a wrong body, a model that loads, a full queue, a time that is up. */
const MODEL_ERRORS = [400, 404, 413, 415, 503, 504];

/** What an admin does with a model. */
const manage = {
  method: "POST",
  admin: true,
  request: { schema: modelRequest, parameters: manageParameters },
  answer: modelCard,
  errors: [400, 404, 413, 415, 503],
} satisfies Partial<Operation>;
const chat = { schema: chatRequest, parameters: chatParameters };
const text = { schema: completionRequest, parameters: completionParameters };

export const operations: readonly Operation[] = [
  {
    method: "POST",
    path: "/v1/chat/completions",
    summary: "The answer to a conversation, as OpenAI's API",
    request: chat,
    answer: chatCompletion,
    event: chatCompletionChunk,
    lastEvent: "[DONE]",
    errors: MODEL_ERRORS,
  },
  {
    method: "POST",
    path: "/v1/completions",
    summary: "The continuation of a text, or what stands between two, as OpenAI's API",
    request: text,
    answer: completion,
    event: completion,
    lastEvent: "[DONE]",
    errors: MODEL_ERRORS,
  },
  {
    method: "POST",
    path: "/v1/responses",
    summary: "The next part of a conversation of items, as OpenAI's API",
    request: { schema: responsesRequest, parameters: responsesParameters },
    answer: responseObject,
    event: responsesEvent,
    errors: MODEL_ERRORS,
  },
  {
    method: "GET",
    path: "/v1/responses/{id}",
    summary: "A response that is stored",
    answer: responseObject,
    errors: [400, 404],
  },
  {
    method: "DELETE",
    path: "/v1/responses/{id}",
    summary: "Forgets a response",
    answer: responseDeleted,
    errors: [404],
  },
  {
    method: "POST",
    path: "/v1/messages",
    summary: "The answer to a conversation, as Anthropic's API",
    request: { schema: messagesRequest, parameters: messagesParameters },
    answer: messagesAnswer,
    event: messagesEvent,
    errors: [400, 404, 413, 415, 504, 529],
    error: anthropicError,
  },
  {
    method: "POST",
    path: "/v1/messages/count_tokens",
    summary: "How many tokens the prompt of such a conversation has",
    request: { schema: countTokensRequest, parameters: countTokensParameters },
    answer: tokensCount,
    errors: [400, 404, 413, 415, 504, 529],
    error: anthropicError,
  },
  {
    method: "POST",
    path: "/chat/completions",
    aliases: ["/beta/chat/completions"],
    summary: "As /v1/chat/completions, with DeepSeek's statuses and keep-alives",
    request: chat,
    answer: chatCompletion,
    event: chatCompletionChunk,
    lastEvent: "[DONE]",
    errors: [...MODEL_ERRORS, 422],
  },
  {
    method: "POST",
    path: "/beta/completions",
    aliases: ["/completions"],
    summary: "As /v1/completions, with DeepSeek's statuses and keep-alives",
    request: text,
    answer: completion,
    event: completion,
    lastEvent: "[DONE]",
    errors: [...MODEL_ERRORS, 422],
  },
  {
    method: "POST",
    path: "/v1/embeddings",
    summary: "A vector for each text: the model's last states, pooled",
    request: { schema: embeddingsRequest, parameters: embeddingsParameters },
    answer: embeddings,
    errors: MODEL_ERRORS,
  },
  {
    method: "GET",
    path: "/v1/models",
    aliases: ["/models"],
    summary: "The models that are served, with description, context_length, state and memory_bytes",
    answer: modelList,
    errors: [503],
  },
  {
    method: "GET",
    path: "/v1/models/{id}",
    summary: "One of these",
    answer: modelCard,
    errors: [404, 503],
  },
  {
    ...manage,
    path: "/v1/models/load",
    summary: "Loads a model, where it is not; answers when that is done",
  },
  {
    ...manage,
    path: "/v1/models/unload",
    summary: "Unloads a model once its running answers have ended; it is loaded again when it is used",
  },
  {
    method: "POST",
    path: "/tokenize",
    summary: "Text to token ids, as llama-server's",
    request: { schema: tokenizeRequest, parameters: tokenizeParameters },
    answer: tokenized,
    errors: MODEL_ERRORS,
  },
  {
    method: "POST",
    path: "/detokenize",
    summary: "Token ids to text, as llama-server's",
    request: { schema: detokenizeRequest, parameters: detokenizeParameters },
    answer: detokenized,
    errors: MODEL_ERRORS,
  },
  {
    method: "POST",
    path: "/apply-template",
    summary: "The prompt that a chat request makes",
    request: { schema: templateRequest, parameters: templateParameters },
    answer: templated,
    errors: MODEL_ERRORS,
  },
  {
    method: "GET",
    path: "/health",
    summary: "200 once the model answers, 503 while it loads, 500 when it could not be loaded",
    open: true,
    answer: health,
    errors: [503],
    error: health.or(errorBody),
  },
  {
    method: "GET",
    path: "/v1/ws",
    summary: "All of this over a web socket: 426 to a request that asks for no upgrade",
    errors: [426],
  },
  { method: "GET", path: "/metrics", summary: "Counters for Prometheus", answer: "text/plain" },
  {
    method: "GET",
    path: "/openapi.json",
    summary: "This API as an OpenAPI document",
    open: true,
    answer: "application/json",
  },
  { method: "GET", path: "/docs", summary: "This API as a page", open: true, answer: "text/html" },
  { method: "GET", path: "/", summary: "A page that talks with the model", open: true, answer: "text/html" },
];
