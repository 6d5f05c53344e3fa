import type { EndEvent, GenerationEvent, ServedModel, TokenLogprobs } from "../../engine/generation.ts";
import { wantedForm } from "../../protocol/answer-form.ts";
import { type CompletionRequest, completionRequest } from "../../protocol/completion-request.ts";
import type { Completion } from "../../protocol/completion-response.ts";
import { completionParameters } from "../../protocol/parameters.ts";
import { formGrammar, namingParams } from "../answer-grammar.ts";
import { answerHead } from "../answer-head.ts";
import { answerJson } from "../answer-json.ts";
import { checkLength, checkTokens } from "../check-tokens.ts";
import { fillInTheMiddle } from "../fill-in-the-middle.ts";
import { followSignal } from "../follow-signal.ts";
import { toSampling } from "../generation-request.ts";
import { readRequest } from "../json-body.ts";
import { toCompletionLogprobs } from "../logprobs.ts";
import { merge, type Source } from "../merge.ts";
import { sse } from "../sse.ts";
import { type CountedTokens, UsageCounter } from "../usage.ts";
import { streamWithModel, withModel } from "../with-model.ts";
import type { RouteContext } from "./route.ts";

type ChoiceEvents = AsyncIterable<{ readonly index: number; readonly value: GenerationEvent }>;
type Choice = Completion["choices"][number];

/** Answers of one request that are generated side by side; the rest of a list of prompts waits for them. */
const WIDTH = 8;

/** POST /v1/completions: statuses as /v1/chat/completions. */
export async function completions(request: Request, context: RouteContext): Promise<Response> {
  const { dialect, limits, reportError } = context;
  const body = await readRequest(request, completionRequest, completionParameters, limits.maxBodyBytes);
  const abort = followSignal(request.signal);
  const { signal } = abort;
  if (!body.stream) {
    const complete = (model: ServedModel) => {
      const sources = completionSources(body, model);
      return toCompletion(merge(sources, { width: WIDTH, signal }), sources.length, body, model);
    };
    return answerJson(withModel(context, body.model, signal, complete), context);
  }
  const chunks = (model: ServedModel) =>
    toChunks(merge(completionSources(body, model), { width: WIDTH, signal }), body, model);
  return sse(streamWithModel(context, body.model, signal, chunks), {
    dialect,
    keepAliveMs: limits.keepAliveMs,
    onCancel: () => abort.abort(),
    onError: reportError,
  });
}

/** For each prompt n sources. */
function completionSources(body: CompletionRequest, model: ServedModel): Source<GenerationEvent>[] {
  const form = wantedForm(body);
  const grammar = form && formGrammar(form);
  const prompts = body.prompt.map((prompt, i) =>
    promptIds(prompt, body, body.prompt.length > 1 ? `prompt[${i}]` : "prompt", model),
  );
  return prompts.flatMap((prompt) =>
    Array.from({ length: body.n ?? 1 }, (_, choice) => (signal: AbortSignal) => {
      const request = {
        prompt,
        maxTokens: body.max_tokens,
        sampling: toSampling(body, choice),
        stop: body.stop,
        ignoreEndTokens: body.ignore_eos,
        topLogprobs: body.logprobs ?? null,
      };
      if (grammar === null) return model.generate(request, { signal });
      return namingParams(model.generate({ ...request, grammar: grammar.source }, { signal }), grammar);
    }),
  );
}

function promptIds(
  prompt: string | number[],
  { suffix }: CompletionRequest,
  param: string,
  model: ServedModel,
): number[] {
  if (typeof prompt !== "string") {
    checkLength(prompt, param, model);
    return checkTokens(prompt, param, model);
  }
  const ids = suffix === undefined ? model.encodePrompt(prompt) : fillInTheMiddle(model, prompt, suffix);
  checkLength(ids, param, model);
  return ids;
}

async function toCompletion(
  events: ChoiceEvents,
  count: number,
  body: CompletionRequest,
  model: ServedModel,
): Promise<Completion> {
  const choices = Array.from(
    { length: count },
    (_, index): Choice => ({ index, text: "", logprobs: null, finish_reason: "stop" }),
  );
  const tokens = choices.map((): TokenLogprobs[] => []);
  const usage = new UsageCounter();
  for await (const { index, value } of events) {
    choices[index]!.text += value.text;
    if (value.type === "token") {
      if (value.logprobs) tokens[index]!.push(value.logprobs);
    } else {
      choices[index]!.finish_reason = value.reason;
      usage.add(promptOf(index, body), counted(value));
    }
  }
  return {
    ...answerHead("cmpl", model),
    object: "text_completion",
    choices: choices.map((choice, i) => ({
      ...choice,
      logprobs: body.logprobs === undefined ? null : toCompletionLogprobs(tokens[i]!, model, 0),
    })),
    usage: completionUsage(usage),
  };
}

async function* toChunks(events: ChoiceEvents, body: CompletionRequest, model: ServedModel): AsyncGenerator<string> {
  const head = { ...answerHead("cmpl", model), object: "text_completion" as const };
  const includeUsage = body.stream_options?.include_usage === true;
  const usage = new UsageCounter();
  const pending = new Map<number, PendingTokens>();
  for await (const { index, value } of events) {
    const waiting = pending.get(index) ?? { tokens: [], offset: 0 };
    pending.set(index, waiting);
    if (value.type === "token") {
      if (value.logprobs) waiting.tokens.push(value.logprobs);
      if (value.text === "") continue;
    } else usage.add(promptOf(index, body), counted(value));
    const logprobs = body.logprobs === undefined ? null : takeLogprobs(waiting, model);
    const finish_reason = value.type === "end" ? value.reason : null;
    yield JSON.stringify({
      ...head,
      choices: [{ index, text: value.text, logprobs, finish_reason }],
      ...(includeUsage ? { usage: null } : {}),
    } satisfies Completion);
  }
  if (includeUsage) yield JSON.stringify({ ...head, choices: [], usage: completionUsage(usage) } satisfies Completion);
  yield "[DONE]";
}

/** Tokens whose text has not been sent yet, and where it will start. */
interface PendingTokens {
  tokens: TokenLogprobs[];
  offset: number;
}

function takeLogprobs(waiting: PendingTokens, model: ServedModel) {
  const logprobs = toCompletionLogprobs(waiting.tokens, model, waiting.offset);
  waiting.offset += logprobs.tokens.join("").length;
  waiting.tokens = [];
  return logprobs;
}

function promptOf(index: number, body: CompletionRequest): number {
  return Math.floor(index / (body.n ?? 1));
}

function counted(end: EndEvent): CountedTokens {
  return { ...end, cachedTokens: end.cachedPromptTokens };
}

function completionUsage(usage: UsageCounter): Completion["usage"] {
  const { completion_tokens_details: _, ...counts } = usage.total();
  return counts;
}
