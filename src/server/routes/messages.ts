import type { ServedModel } from "../../engine/generation.ts";
import { formOfOutputFormat } from "../../protocol/answer-form.ts";
import { type CountTokensRequest, countTokensRequest, messagesRequest } from "../../protocol/messages-request.ts";
import type {
  ContentBlock,
  MessagesAnswer,
  MessagesEvent,
  MessagesUsage,
  TokensCount,
} from "../../protocol/messages-response.ts";
import { countTokensParameters, messagesParameters } from "../../protocol/parameters.ts";
import type { AnswerEnd } from "../answer.ts";
import { randomId } from "../answer-head.ts";
import { answerBlocks, type Block, type BlockDelta, type BlockEvent } from "../blocks.ts";
import { openConversation } from "../conversation.ts";
import { followSignal } from "../follow-signal.ts";
import { toSampling } from "../generation-request.ts";
import { readRequest } from "../json-body.ts";
import { begunByAnthropic, forcedByAnthropic, fromAnthropic, offeredByAnthropic } from "../messages-input.ts";
import { type SseEvent, sse } from "../sse.ts";
import { streamWithModel, withModel } from "../with-model.ts";
import type { RouteContext } from "./route.ts";

/** POST /v1/messages, Anthropic's: statuses as /v1/chat/completions, but 529 where that has 503. */
export async function messages(request: Request, context: RouteContext): Promise<Response> {
  const { dialect, limits, reportError } = context;
  const body = await readRequest(request, messagesRequest, messagesParameters, limits.maxBodyBytes);
  const abort = followSignal(request.signal);
  const { signal } = abort;
  const events = streamWithModel(context, body.model, signal, async (model) => {
    const conversation = await openMessages(body, model, body.max_tokens, body.stop_sequences);
    const blocks = answerBlocks(conversation.answer(toSampling(body, 0))(signal));
    return toEvents(blocks, emptyAnswer(model, conversation.promptTokens));
  });
  if (!body.stream) return Response.json(await toAnswer(events));
  return sse(framed(events), {
    dialect,
    keepAliveMs: limits.keepAliveMs,
    onCancel: () => abort.abort(),
    onError: reportError,
  });
}

/** POST /v1/messages/count_tokens: how long the prompt of such a request is. */
export async function countTokens(request: Request, context: RouteContext): Promise<Response> {
  const { maxBodyBytes } = context.limits;
  const body = await readRequest(request, countTokensRequest, countTokensParameters, maxBodyBytes);
  const { promptTokens } = await withModel(context, body.model, request.signal, (model) =>
    openMessages(body, model, null),
  );
  return Response.json({ input_tokens: promptTokens } satisfies TokensCount);
}

function openMessages(body: CountTokensRequest, model: ServedModel, maxTokens: number | null, stop?: string[]) {
  const choice = body.tool_choice;
  const single = choice !== undefined && "disable_parallel_tool_use" in choice && choice.disable_parallel_tool_use;
  return openConversation(model, {
    chat: fromAnthropic(body),
    maxToolCalls: single ? 1 : Number.POSITIVE_INFINITY,
    tools: offeredByAnthropic(body),
    forcedTool: forcedByAnthropic(body),
    form: formOfOutputFormat(body.output_config?.format),
    begun: begunByAnthropic(body),
    generation: { maxTokens, stop },
  });
}

function emptyAnswer(model: ServedModel, promptTokens: number): MessagesAnswer {
  return {
    id: randomId("msg"),
    type: "message",
    role: "assistant",
    model: model.id,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...noUsage, input_tokens: promptTokens },
  };
}

const noUsage: MessagesUsage = {
  input_tokens: 0,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  output_tokens: 0,
};

async function* framed(events: AsyncIterable<MessagesEvent>): AsyncGenerator<SseEvent> {
  for await (const event of events) yield { event: event.type, data: JSON.stringify(event) };
}

async function* toEvents(blocks: AsyncIterable<BlockEvent>, message: MessagesAnswer): AsyncGenerator<MessagesEvent> {
  let started = false;
  for await (const event of blocks) {
    // Not before the engine has taken the request: until then an error has a status of its own.
    if (!started) yield { type: "message_start", message };
    started = true;
    if (event.type === "open") {
      yield { type: "content_block_start", index: event.index, content_block: emptyBlock(event.block) };
    } else if (event.type === "delta") yield { type: "content_block_delta", index: event.index, delta: toDelta(event) };
    else if (event.type === "close") {
      const { index, block } = event;
      // Clients keep it and send it back; nothing here needs it.
      if (block.type === "reasoning")
        yield { type: "content_block_delta", index, delta: { type: "signature_delta", signature: "" } };
      yield { type: "content_block_stop", index };
    } else {
      yield { type: "message_delta", ...toEnd(event) };
      yield { type: "message_stop" };
    }
  }
}

function emptyBlock(block: Block): ContentBlock {
  if (block.type === "reasoning") return { type: "thinking", thinking: "", signature: "" };
  if (block.type === "content") return { type: "text", text: "", citations: null };
  return { type: "tool_use", id: block.id, name: block.name, input: {} };
}

function toDelta({ block, text }: BlockDelta): Extract<MessagesEvent, { type: "content_block_delta" }>["delta"] {
  if (block.type === "reasoning") return { type: "thinking_delta", thinking: text };
  if (block.type === "content") return { type: "text_delta", text };
  return { type: "input_json_delta", partial_json: text };
}

function toEnd(end: AnswerEnd): Pick<Extract<MessagesEvent, { type: "message_delta" }>, "delta" | "usage"> {
  const { promptTokens, cachedTokens, completionTokens, stopString } = end;
  const reasons = { length: "max_tokens", toolCalls: "tool_use", stop: "end_turn" } as const;
  return {
    delta: { stop_reason: stopString === null ? reasons[end.reason] : "stop_sequence", stop_sequence: stopString },
    usage: {
      ...noUsage,
      input_tokens: promptTokens - cachedTokens,
      cache_read_input_tokens: cachedTokens,
      output_tokens: completionTokens,
    },
  };
}

/** The whole answer, from the events of its stream: both say the same. */
async function toAnswer(events: AsyncIterable<MessagesEvent>): Promise<MessagesAnswer> {
  let answer: MessagesAnswer | undefined;
  const content: ContentBlock[] = [];
  let json = "";
  for await (const event of events) {
    const block = content[content.length - 1];
    if (event.type === "message_start") answer = event.message;
    else if (event.type === "content_block_start") {
      content.push({ ...event.content_block });
      json = "";
    } else if (event.type === "content_block_delta") {
      const { delta } = event;
      if (delta.type === "text_delta" && block?.type === "text") block.text += delta.text;
      else if (delta.type === "thinking_delta" && block?.type === "thinking") block.thinking += delta.thinking;
      else if (delta.type === "input_json_delta") json += delta.partial_json;
    } else if (event.type === "content_block_stop" && block?.type === "tool_use") block.input = toInput(json);
    else if (event.type === "message_delta") {
      answer = { ...answer!, ...event.delta, usage: event.usage };
    }
  }
  return { ...answer!, content };
}

function toInput(json: string): Record<string, unknown> {
  if (json.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below, as it stands.
  }
  return { INVALID_JSON: json };
}
