import type { ChatRequestBody } from "../../src/protocol/chat-request.ts";
import type { ChatCompletionChunk } from "../../src/protocol/chat-response.ts";
import type { Health } from "../../src/protocol/health.ts";
import type { ModelCard, ModelList } from "../../src/protocol/models.ts";
import { readEvents } from "./events.ts";
import { BROKEN, errorOf, failureOf, ServerError, UNREACHABLE } from "./failure.ts";

/** The fields of a chat request that the page sends. */
export type ChatFields = Pick<
  ChatRequestBody,
  "messages" | "model" | "temperature" | "top_p" | "max_tokens" | "seed" | "thinking"
>;

/** GET /health. @throws ServerError where the server cannot be reached or something else answers */
export async function fetchHealth(): Promise<Health> {
  const response = await ask("health", {});
  const text = await response.text();
  try {
    return JSON.parse(text) as Health;
  } catch {
    throw new ServerError(failureOf(response.status, text));
  }
}

/** GET /v1/models. @param apiKey empty: none is sent @throws ServerError */
export async function fetchModels(apiKey: string): Promise<readonly ModelCard[]> {
  const response = await accepted(await ask("v1/models", { headers: authorization(apiKey) }));
  return ((await response.json()) as ModelList).data;
}

/**
 * POST /v1/chat/completions, streamed, with the usage in the last chunk.
 * @throws ServerError; where the signal aborts, its reason
 */
export async function* streamChat(
  fields: ChatFields,
  { apiKey, signal }: { readonly apiKey: string; readonly signal: AbortSignal },
): AsyncGenerator<ChatCompletionChunk> {
  const response = await accepted(
    await ask("v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json", ...authorization(apiKey) },
      body: JSON.stringify({ ...fields, stream: true, stream_options: { include_usage: true } }),
      signal,
    }),
  );
  try {
    for await (const data of readEvents(response.body!)) {
      if (data === "[DONE]") return;
      const error = errorOf(data);
      if (error !== null) throw new ServerError(failureOf(500, data));
      yield JSON.parse(data) as ChatCompletionChunk;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof ServerError ? error : new ServerError(BROKEN);
  }
  throw new ServerError(BROKEN);
}

/** Paths are relative to the page: a proxy may serve it below a path of its own. */
async function ask(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, { cache: "no-store", ...init });
  } catch {
    init.signal?.throwIfAborted();
    throw new ServerError(UNREACHABLE);
  }
}

async function accepted(response: Response): Promise<Response> {
  if (response.ok) return response;
  throw new ServerError(failureOf(response.status, await response.text(), response.headers.get("retry-after")));
}

function authorization(apiKey: string): Record<string, string> {
  return apiKey === "" ? {} : { authorization: `Bearer ${apiKey}` };
}
