import type { ServedModel, TokenLogprobs } from "../../engine/generation.ts";
import { ApiError } from "../../errors.ts";
import { formOfTextFormat } from "../../protocol/answer-form.ts";
import { responsesParameters } from "../../protocol/parameters.ts";
import { type InputItem, type ResponsesRequest, responsesRequest } from "../../protocol/responses-request.ts";
import type { OutputItem, ResponseDeleted, ResponseObject, ResponsesEvent } from "../../protocol/responses-response.ts";
import type { AnswerEnd } from "../answer.ts";
import { randomId } from "../answer-head.ts";
import { answerBlocks, type Block, type BlockEvent } from "../blocks.ts";
import { openConversation } from "../conversation.ts";
import { toApiError } from "../errors.ts";
import { followSignal } from "../follow-signal.ts";
import { toSampling } from "../generation-request.ts";
import { readRequest } from "../json-body.ts";
import { toChatLogprobs } from "../logprobs.ts";
import { forcedByResponses, fromResponses, offeredByResponses } from "../responses-input.ts";
import { type SseEvent, sse } from "../sse.ts";
import { streamWithModel } from "../with-model.ts";
import type { RouteContext } from "./route.ts";

const WITH_LOGPROBS = "message.output_text.logprobs";

/** An event before it has its number. */
type Unnumbered = WithoutNumber<ResponsesEvent>;
type WithoutNumber<E> = E extends unknown ? Omit<E, "sequence_number"> : never;

/** POST /v1/responses: statuses as /v1/chat/completions, and 404 for a previous_response_id that is not stored. */
export async function createResponse(request: Request, context: RouteContext): Promise<Response> {
  const { caller, limits, reportError, responses } = context;
  const body = await readRequest(request, responsesRequest, responsesParameters, limits.maxBodyBytes);
  const { previous_response_id: previous } = body;
  const earlier = previous === undefined ? [] : responses.get(caller.id, previous, "previous_response_id").conversation;
  const items = [...earlier, ...body.input];
  const abort = followSignal(request.signal);
  const { signal } = abort;
  const events = streamWithModel(context, body.model, signal, async (model) =>
    toEvents(await openBlocks(body, items, model, signal), body, model),
  );
  const keep = (response: ResponseObject) => {
    if (response.store)
      responses.put(caller.id, { response, conversation: [...items, ...response.output.map(asInput)] });
  };
  if (!body.stream) return Response.json(await lastResponse(events, keep));
  return sse(numbered(told(kept(events, keep), reportError)), {
    keepAliveMs: limits.keepAliveMs,
    onCancel: () => abort.abort(),
    onError: reportError,
  });
}

/** GET /v1/responses/:id: 404 response_not_found. */
export function getResponse(request: Request, { caller, params, responses }: RouteContext): Response {
  const { response } = responses.get(caller.id, params.id!, "response_id");
  if (new URL(request.url).searchParams.get("stream") === "true") {
    throw new ApiError(400, "'stream' is not supported: a stored response comes whole", {
      param: "stream",
      code: "unsupported_parameter",
    });
  }
  return Response.json(response);
}

/** DELETE /v1/responses/:id: 404 response_not_found. */
export function deleteResponse(_request: Request, { caller, params, responses }: RouteContext): Response {
  const id = params.id!;
  responses.delete(caller.id, id);
  return Response.json({ id, object: "response", deleted: true } satisfies ResponseDeleted);
}

async function openBlocks(
  body: ResponsesRequest,
  items: readonly InputItem[],
  model: ServedModel,
  signal: AbortSignal,
): Promise<AsyncIterable<BlockEvent>> {
  const conversation = await openConversation(model, {
    chat: fromResponses(body, items),
    maxToolCalls: body.parallel_tool_calls === false ? 1 : Number.POSITIVE_INFINITY,
    tools: offeredByResponses(body),
    forcedTool: forcedByResponses(body),
    form: formOfTextFormat(body.text?.format),
    begun: null,
    generation: {
      maxTokens: body.max_output_tokens ?? null,
      topLogprobs: body.include?.includes(WITH_LOGPROBS) ? (body.top_logprobs ?? 0) : null,
    },
  });
  return answerBlocks(conversation.answer(toSampling(body, 0))(signal));
}

function emptyResponse(body: ResponsesRequest, model: ServedModel): ResponseObject {
  return {
    id: randomId("resp"),
    object: "response",
    created_at: Math.floor(Date.now() / 1000),
    status: "in_progress",
    error: null,
    incomplete_details: null,
    model: model.id,
    output: [],
    usage: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: body.reasoning?.summary ?? null },
    store: body.store ?? true,
    temperature: body.temperature ?? null,
    text: { format: body.text?.format ?? { type: "text" } },
    tool_choice: body.tool_choice ?? "auto",
    tools: body.tools ?? [],
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? null,
    truncation: "disabled",
    background: false,
    service_tier: "default",
  };
}

/** The events of an answer; the last holds the whole response. An error is thrown. */
async function* toEvents(
  blocks: AsyncIterable<BlockEvent>,
  body: ResponsesRequest,
  model: ServedModel,
): AsyncGenerator<Unnumbered> {
  const response = emptyResponse(body, model);
  const output: OutputItem[] = [];
  let item: OpenItem | null = null;
  let started = false;
  for await (const event of blocks) {
    if (!started) {
      // Not before the engine has taken the request: until then an error has a status of its own.
      started = true;
      yield { type: "response.created", response };
      yield { type: "response.in_progress", response };
    }
    if (event.type === "open") {
      item = new OpenItem(event.block, event.index, model);
      yield* item.begin();
    } else if (event.type === "delta") yield* item!.grow(event.text, event.tokens);
    else if (event.type === "close") {
      yield* item!.end();
      output.push(item!.done("completed"));
    } else yield endOf(event, response, output);
  }
}

function endOf(end: AnswerEnd, response: ResponseObject, output: OutputItem[]): Unnumbered {
  const cut = end.reason === "length";
  const last = output.at(-1);
  const items =
    cut && last !== undefined ? [...output.slice(0, -1), { ...last, status: "incomplete" as const }] : output;
  return {
    type: cut ? "response.incomplete" : "response.completed",
    response: {
      ...response,
      status: cut ? "incomplete" : "completed",
      incomplete_details: cut ? { reason: "max_output_tokens" } : null,
      output: items,
      usage: {
        input_tokens: end.promptTokens,
        input_tokens_details: { cached_tokens: end.cachedTokens },
        output_tokens: end.completionTokens,
        output_tokens_details: { reasoning_tokens: end.reasoningTokens },
        total_tokens: end.promptTokens + end.completionTokens,
      },
    },
  };
}

/** An output item as it comes into being, and the events that tell of it. */
class OpenItem {
  readonly #id: string;
  readonly #block: Block;
  readonly #index: number;
  readonly #model: ServedModel;
  readonly #tokens: TokenLogprobs[] = [];
  #text = "";

  constructor(block: Block, index: number, model: ServedModel) {
    this.#id = randomId({ reasoning: "rs", content: "msg", toolCall: "fc" }[block.type]);
    this.#block = block;
    this.#index = index;
    this.#model = model;
  }

  *begin(): Generator<Unnumbered> {
    const item = this.done("in_progress", false);
    yield { type: "response.output_item.added", output_index: this.#index, item };
    if (this.#block.type !== "toolCall") {
      yield { type: "response.content_part.added", ...this.#part, part: this.#content };
    }
  }

  *grow(delta: string, tokens: readonly TokenLogprobs[]): Generator<Unnumbered> {
    this.#text += delta;
    this.#tokens.push(...tokens);
    const { type } = this.#block;
    if (type === "toolCall") yield { type: "response.function_call_arguments.delta", ...this.#place, delta };
    else if (type === "reasoning") yield { type: "response.reasoning_text.delta", ...this.#part, delta };
    else {
      const logprobs = toChatLogprobs(tokens, this.#model);
      yield { type: "response.output_text.delta", ...this.#part, delta, logprobs };
    }
  }

  *end(): Generator<Unnumbered> {
    const block = this.#block;
    const text = this.#text;
    if (block.type === "toolCall") {
      yield { type: "response.function_call_arguments.done", ...this.#place, name: block.name, arguments: text };
    } else {
      if (block.type === "reasoning") yield { type: "response.reasoning_text.done", ...this.#part, text };
      else {
        const logprobs = toChatLogprobs(this.#tokens, this.#model);
        yield { type: "response.output_text.done", ...this.#part, text, logprobs };
      }
      yield { type: "response.content_part.done", ...this.#part, part: this.#content };
    }
    yield { type: "response.output_item.done", output_index: this.#index, item: this.done("completed") };
  }

  /** The item as it stands; with `content` false still without its part. */
  done(status: OutputItem["status"], content = true): OutputItem {
    const id = this.#id;
    const block = this.#block;
    if (block.type === "toolCall") {
      return { id, type: "function_call", call_id: block.id, name: block.name, arguments: this.#text, status };
    }
    if (block.type === "reasoning") {
      const text = { type: "reasoning_text" as const, text: this.#text };
      return { id, type: "reasoning", summary: [], content: content ? [text] : [], status };
    }
    return { id, type: "message", role: "assistant", content: content ? [this.#outputText] : [], status };
  }

  get #place() {
    return { item_id: this.#id, output_index: this.#index };
  }

  get #part() {
    return { ...this.#place, content_index: 0 };
  }

  get #content() {
    if (this.#block.type === "reasoning") return { type: "reasoning_text" as const, text: this.#text };
    return this.#outputText;
  }

  get #outputText() {
    const logprobs = toChatLogprobs(this.#tokens, this.#model);
    return { type: "output_text" as const, text: this.#text, annotations: [], logprobs };
  }
}

/** An item of an answer as a next request may send it. */
function asInput(item: OutputItem): InputItem {
  if (item.type === "message") {
    return { ...item, content: item.content.map(({ text }) => text).join("\n") };
  }
  return item;
}

/** Hands a whole response on before its event is sent, so that a client that has it can go on from it. */
async function* kept(
  events: AsyncIterable<Unnumbered>,
  keep: (response: ResponseObject) => void,
): AsyncGenerator<Unnumbered> {
  for await (const event of events) {
    if (event.type === "response.completed" || event.type === "response.incomplete") keep(event.response);
    yield event;
  }
}

/** Tells an error in the middle of the answer as this API does: the response has failed. */
async function* told(
  events: AsyncIterable<Unnumbered>,
  reportError: (error: ApiError) => void,
): AsyncGenerator<Unnumbered> {
  let response: ResponseObject | null = null;
  try {
    for await (const event of events) {
      if (event.type === "response.created") response = event.response;
      yield event;
    }
  } catch (error) {
    if (response === null) throw error;
    const { code, message } = toApiError(error);
    reportError(toApiError(error));
    yield { type: "response.failed", response: { ...response, status: "failed", error: { code, message } } };
  }
}

async function* numbered(events: AsyncIterable<Unnumbered>): AsyncGenerator<SseEvent> {
  let sequence_number = 0;
  for await (const event of events) {
    yield { event: event.type, data: JSON.stringify({ ...event, sequence_number: sequence_number++ }) };
  }
}

async function lastResponse(
  events: AsyncIterable<Unnumbered>,
  keep: (response: ResponseObject) => void,
): Promise<ResponseObject> {
  let response: ResponseObject | undefined;
  for await (const event of kept(events, keep)) if ("response" in event) response = event.response;
  return response!;
}
