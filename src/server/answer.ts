import type { GenerationEvent, TokenLogprobs } from "../engine/generation.ts";
import { ReasoningSplitter } from "../engine/reasoning.ts";
import type { IsText } from "../engine/tagged-call.ts";
import { ToolCallParser, type ToolEvent } from "../engine/tool-calls.ts";
import { randomId } from "./answer-head.ts";

/** What a chat answer consists of, before any API gives it its form. */
export type AnswerEvent = AnswerDelta | AnswerEnd;

export interface AnswerDelta {
  readonly type: "delta";
  readonly parts: readonly AnswerPart[];
  /** Log-probabilities of the tokens that became these parts, tags and markers included; empty if not asked for. */
  readonly tokens: readonly TokenLogprobs[];
}

export type AnswerPart =
  | { readonly type: "reasoning" | "content"; readonly text: string }
  | { readonly type: "toolCall"; readonly index: number; readonly id: string; readonly name: string }
  | { readonly type: "arguments"; readonly index: number; readonly text: string };

export interface AnswerEnd {
  readonly type: "end";
  readonly reason: "stop" | "length" | "toolCalls";
  /** The stop string that ended the answer, if one did. */
  readonly stopString: string | null;
  readonly promptTokens: number;
  /** Those of the prompt that had been read before. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly reasoningTokens: number;
}

export interface AnswerOptions {
  /** The prompt ends inside an open <think>. */
  readonly startsInThinking: boolean;
  /** Tool calls are looked for; without tools their markers are text like any other. */
  readonly tools: boolean;
  /** Calls after this many are left out. */
  readonly maxToolCalls: number;
  /** Whether a tool's parameter is text. Default: none is. */
  readonly isText?: IsText;
  /** What the prompt ends with and is a part of the answer: the beginning of a call. Default empty. */
  readonly opening?: string;
}

/** Reads reasoning and tool calls out of generated text, as it arrives. */
export async function* readAnswer(
  events: AsyncIterable<GenerationEvent>,
  options: AnswerOptions,
): AsyncGenerator<AnswerEvent> {
  const reader = new PartReader(options);
  let tokens: TokenLogprobs[] = [];
  let waiting = 0; // tokens since the last delta
  let reasoningTokens = 0;
  const delta = (parts: AnswerPart[]): AnswerDelta => {
    if (isReasoning(parts)) reasoningTokens += waiting;
    const taken = tokens;
    tokens = [];
    waiting = 0;
    return { type: "delta", parts, tokens: taken };
  };
  const opened = reader.push(options.opening ?? "");
  if (opened.length > 0) yield delta(opened);
  for await (const event of events) {
    if (event.type === "token") {
      waiting++;
      if (event.logprobs) tokens.push(event.logprobs);
      const parts = reader.push(event.text);
      if (parts.length > 0) yield delta(parts);
      continue;
    }
    const parts = [...reader.push(event.text), ...reader.flush()];
    if (parts.length > 0 || tokens.length > 0) yield delta(parts);
    yield {
      type: "end",
      reason: event.reason === "stop" && reader.calls > 0 ? "toolCalls" : event.reason,
      stopString: event.stopString,
      promptTokens: event.promptTokens,
      cachedTokens: event.cachedPromptTokens,
      completionTokens: event.completionTokens,
      reasoningTokens,
    };
  }
}

/** Tokens count as reasoning when they led to nothing else. */
export function isReasoning(parts: readonly AnswerPart[]): boolean {
  return parts.length > 0 && parts.every((part) => part.type === "reasoning");
}

class PartReader {
  /** Tool calls let through. */
  calls = 0;
  private readonly reasoning: ReasoningSplitter;
  private readonly tools: ToolCallParser | null;
  private readonly maxToolCalls: number;

  constructor({ startsInThinking, tools, maxToolCalls, isText }: AnswerOptions) {
    this.reasoning = new ReasoningSplitter({ startsInThinking });
    this.tools = tools ? new ToolCallParser({ isText }) : null;
    this.maxToolCalls = maxToolCalls;
  }

  push(text: string): AnswerPart[] {
    return this.read(this.reasoning.push(text));
  }

  flush(): AnswerPart[] {
    return [...this.read(this.reasoning.flush()), ...this.toParts(this.tools?.flush() ?? [])];
  }

  private read(events: readonly { type: "reasoning" | "content"; text: string }[]): AnswerPart[] {
    const { tools } = this;
    if (tools === null) return [...events];
    return events.flatMap((event) => (event.type === "reasoning" ? [event] : this.toParts(tools.push(event.text))));
  }

  private toParts(events: readonly ToolEvent[]): AnswerPart[] {
    const parts: AnswerPart[] = [];
    for (const event of events) {
      if (event.type === "content") parts.push(event);
      else if (event.index >= this.maxToolCalls) continue;
      else if (event.type === "toolCall") {
        this.calls++;
        const { index, name, id = randomId("call") } = event;
        parts.push({ type: "toolCall", index, id, name });
      } else if (event.type === "arguments") parts.push(event);
    }
    return parts;
  }
}
