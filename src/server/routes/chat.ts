import type { ServedModel } from "../../engine/generation.ts";
import { wantedForm } from "../../protocol/answer-form.ts";
import { type ChatRequest, chatRequest, forcedTool } from "../../protocol/chat-request.ts";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatDelta,
  ChatLogprobs,
  ChatToolCall,
  FinishReason,
} from "../../protocol/chat-response.ts";
import { chatParameters } from "../../protocol/parameters.ts";
import { type AnswerDelta, type AnswerEnd, type AnswerEvent, isReasoning } from "../answer.ts";
import { answerHead } from "../answer-head.ts";
import { answerJson } from "../answer-json.ts";
import { openConversation } from "../conversation.ts";
import { followSignal } from "../follow-signal.ts";
import { begunAnswer, offeredTools, toChatInput, toSampling } from "../generation-request.ts";
import { readRequest } from "../json-body.ts";
import { toChatLogprobs } from "../logprobs.ts";
import { merge, type Source } from "../merge.ts";
import { sse } from "../sse.ts";
import { UsageCounter } from "../usage.ts";
import { streamWithModel, withModel } from "../with-model.ts";
import type { RouteContext } from "./route.ts";

type ChoiceEvents = AsyncIterable<{ readonly index: number; readonly value: AnswerEvent }>;

/**
 * POST /v1/chat/completions: 400 with the field at fault, 413 and 415 for the body, 503 with Retry-After while loading
 * or when the queue is full.
 */
export async function chatCompletions(request: Request, context: RouteContext): Promise<Response> {
  const { dialect, limits, reportError } = context;
  const body = await readRequest(request, chatRequest, chatParameters, limits.maxBodyBytes);
  const abort = followSignal(request.signal);
  const { signal } = abort;
  const eventsOf = async (model: ServedModel) => {
    const sources = await chatSources(body, model);
    return merge(sources, { width: sources.length, signal });
  };
  if (!body.stream) {
    const complete = async (model: ServedModel) => toCompletion(await eventsOf(model), body, model);
    return answerJson(withModel(context, body.model, signal, complete), context);
  }
  const chunks = async (model: ServedModel) => toChunks(await eventsOf(model), body, model);
  return sse(streamWithModel(context, body.model, signal, chunks), {
    dialect,
    keepAliveMs: limits.keepAliveMs,
    onCancel: () => abort.abort(),
    onError: reportError,
  });
}

/** One source for each choice, all from one prompt. */
async function chatSources(body: ChatRequest, model: ServedModel): Promise<Source<AnswerEvent>[]> {
  const conversation = await openConversation(model, {
    chat: toChatInput(body),
    maxToolCalls: body.parallel_tool_calls === false ? 1 : Number.POSITIVE_INFINITY,
    tools: offeredTools(body),
    forcedTool: forcedTool(body),
    form: wantedForm(body),
    begun: begunAnswer(body),
    generation: {
      maxTokens: body.max_completion_tokens ?? body.max_tokens ?? null,
      stop: body.stop,
      ignoreEndTokens: body.ignore_eos,
      topLogprobs: body.logprobs ? (body.top_logprobs ?? 0) : null,
    },
  });
  return Array.from({ length: body.n ?? 1 }, (_, choice) => conversation.answer(toSampling(body, choice)));
}

async function toCompletion(events: ChoiceEvents, body: ChatRequest, model: ServedModel): Promise<ChatCompletion> {
  const choices = Array.from({ length: body.n ?? 1 }, (_, index) => new ChoiceBuilder(index, body, model));
  const usage = new UsageCounter();
  for await (const { index, value } of events) {
    choices[index]!.add(value);
    if (value.type === "end") usage.add(0, value);
  }
  return {
    ...answerHead("chatcmpl", model),
    object: "chat.completion",
    choices: choices.map((choice) => choice.build()),
    usage: usage.total(),
  };
}

/** Puts one choice together from its events. */
class ChoiceBuilder {
  private readonly index: number;
  private readonly model: ServedModel;
  private readonly logprobs: Required<ChatLogprobs> | null;
  private readonly calls: ChatToolCall[] = [];
  private content = "";
  private reasoning = "";
  private finishReason: FinishReason = "stop";

  constructor(index: number, body: ChatRequest, model: ServedModel) {
    this.index = index;
    this.model = model;
    this.logprobs = body.logprobs ? { content: [], reasoning_content: [] } : null;
  }

  add(event: AnswerEvent): void {
    if (event.type === "end") {
      this.finishReason = toFinishReason(event);
      return;
    }
    for (const part of event.parts) {
      if (part.type === "toolCall") {
        this.calls.push({ id: part.id, type: "function", function: { name: part.name, arguments: "" } });
      } else if (part.type === "arguments") this.calls[part.index]!.function.arguments += part.text;
      else if (part.type === "reasoning") this.reasoning += part.text;
      else this.content += part.text;
    }
    const list = isReasoning(event.parts) ? "reasoning_content" : "content";
    this.logprobs?.[list].push(...toChatLogprobs(event.tokens, this.model));
  }

  build(): ChatCompletion["choices"][number] {
    const { calls, content, logprobs, reasoning } = this;
    return {
      index: this.index,
      message: {
        role: "assistant",
        content: content === "" && calls.length > 0 ? null : content,
        refusal: null,
        ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
        ...(calls.length === 0 ? {} : { tool_calls: calls }),
      },
      logprobs: logprobs && (reasoning === "" ? { content: logprobs.content } : logprobs),
      finish_reason: this.finishReason,
    };
  }
}

async function* toChunks(events: ChoiceEvents, body: ChatRequest, model: ServedModel): AsyncGenerator<string> {
  const head = { ...answerHead("chatcmpl", model), object: "chat.completion.chunk" as const };
  const includeUsage = body.stream_options?.include_usage === true;
  const usage = new UsageCounter();
  const started = new Set<number>();
  const chunk = (choices: ChatCompletionChunk["choices"]) =>
    JSON.stringify({ ...head, choices, ...(includeUsage ? { usage: null } : {}) } satisfies ChatCompletionChunk);
  for await (const { index, value } of events) {
    if (!started.has(index)) {
      started.add(index);
      yield chunk([{ index, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null }]);
    }
    if (value.type === "delta") {
      const logprobs = body.logprobs ? chunkLogprobs(value, model) : null;
      yield chunk([{ index, delta: toDelta(value), logprobs, finish_reason: null }]);
    } else {
      usage.add(0, value);
      yield chunk([{ index, delta: {}, logprobs: null, finish_reason: toFinishReason(value) }]);
    }
  }
  if (includeUsage) {
    yield JSON.stringify({ ...head, choices: [], usage: usage.total() } satisfies ChatCompletionChunk);
  }
  yield "[DONE]";
}

function toDelta({ parts }: AnswerDelta): ChatDelta {
  const delta: ChatDelta = {};
  const call = (entry: NonNullable<ChatDelta["tool_calls"]>[number]) => {
    delta.tool_calls = [...(delta.tool_calls ?? []), entry];
  };
  for (const part of parts) {
    if (part.type === "toolCall") {
      call({ index: part.index, id: part.id, type: "function", function: { name: part.name, arguments: "" } });
    } else if (part.type === "arguments") call({ index: part.index, function: { arguments: part.text } });
    else if (part.type === "reasoning") delta.reasoning_content = (delta.reasoning_content ?? "") + part.text;
    else delta.content = (delta.content ?? "") + part.text;
  }
  return delta;
}

function chunkLogprobs(delta: AnswerDelta, model: ServedModel): ChatLogprobs {
  const tokens = toChatLogprobs(delta.tokens, model);
  return isReasoning(delta.parts) ? { content: [], reasoning_content: tokens } : { content: tokens };
}

function toFinishReason({ reason }: AnswerEnd): FinishReason {
  return reason === "toolCalls" ? "tool_calls" : reason;
}
