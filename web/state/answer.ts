import type { ChatCompletionChunk, Usage } from "../../src/protocol/chat-response.ts";
import type { Failure } from "../server/failure.ts";

/** How an answer ended: by the model, by the limit of tokens, by the reader, or by a failure. Null: it goes on. */
export type AnswerEnd = "stop" | "length" | "stopped" | "failed" | null;

/** Tokens of the request, as the server counted them. */
export interface TokenCounts {
  readonly prompt: number;
  /** Of the prompt, those that had been read for an earlier request. */
  readonly cached: number;
  readonly answer: number;
}

/** A message of the assistant. Times are milliseconds since the request was sent. */
export interface Answer {
  readonly role: "assistant";
  readonly model: string;
  readonly reasoning: string;
  readonly content: string;
  readonly end: AnswerEnd;
  readonly failure: Failure | null;
  readonly tokens: TokenCounts | null;
  /** When the first text came. */
  readonly startedMs: number | null;
  /** When the last text came. */
  readonly endedMs: number | null;
  /** When the first text came, which reasoning is where there is any, and when the last of it. */
  readonly reasoningMs: readonly [from: number, to: number] | null;
}

export const EMPTY_ANSWER: Answer = {
  role: "assistant",
  model: "",
  reasoning: "",
  content: "",
  end: null,
  failure: null,
  tokens: null,
  startedMs: null,
  endedMs: null,
  reasoningMs: null,
};

/** The answer with one chunk more, which came at `ms`. */
export function addChunk(answer: Answer, { model, choices, usage }: ChatCompletionChunk, ms: number): Answer {
  const [choice] = choices;
  const { content = "", reasoning_content: reasoning = "" } = choice?.delta ?? {};
  const came = content !== "" || reasoning !== "";
  const ended = choice?.finish_reason ?? null;
  return {
    ...answer,
    model,
    content: answer.content + content,
    reasoning: answer.reasoning + reasoning,
    reasoningMs: reasoning === "" ? answer.reasoningMs : [answer.startedMs ?? ms, ms],
    startedMs: answer.startedMs ?? (came ? ms : null),
    endedMs: came ? ms : answer.endedMs,
    end: ended === null ? answer.end : ended === "length" ? "length" : "stop",
    tokens: usage ? countsOf(usage) : answer.tokens,
  };
}

/** An answer that came within this was held up on its way, or is too short for a speed. */
const LEAST_MS = 20;

/** Tokens a second, without the first, which waits for the prompt; null where there is too little to say. */
export function speedOf({ tokens, startedMs, endedMs }: Answer): number | null {
  if (tokens === null || startedMs === null || endedMs === null) return null;
  return tokens.answer < 3 || endedMs - startedMs < LEAST_MS
    ? null
    : ((tokens.answer - 1) * 1000) / (endedMs - startedMs);
}

/** What is shown under an answer, e.g. "128 tokens", "41 tokens/s". */
export function statsOf(answer: Answer): string[] {
  const { tokens, startedMs } = answer;
  if (tokens === null) return [];
  const speed = speedOf(answer);
  const cached = tokens.cached === 0 ? "" : `, ${tokens.cached} cached`;
  return [
    `${tokens.answer} ${tokens.answer === 1 ? "token" : "tokens"}`,
    ...(speed === null ? [] : [`${speed < 10 ? speed.toFixed(1) : Math.round(speed)} tokens/s`]),
    ...(startedMs === null ? [] : [`first token ${seconds(startedMs)}`]),
    `prompt ${tokens.prompt}${cached}`,
  ];
}

/** E.g. "0.42 s", "12 s", "3 min 5 s". */
export function seconds(ms: number): string {
  if (ms < 9_950) return `${(ms / 1000).toFixed(ms < 995 ? 2 : 1)} s`;
  const whole = Math.round(ms / 1000);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

function countsOf({ prompt_tokens, prompt_tokens_details, completion_tokens }: Usage): TokenCounts {
  return { prompt: prompt_tokens, cached: prompt_tokens_details.cached_tokens, answer: completion_tokens };
}
