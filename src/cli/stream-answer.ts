import type { EndEvent, GenerationRequest, ServedModel } from "../engine/generation.ts";
import { type ReasoningEvent, ReasoningSplitter } from "../engine/reasoning.ts";

/** Where the text of an answer goes as it comes. */
export interface AnswerSinks {
  content(text: string): Promise<void>;
  reasoning(text: string): Promise<void>;
}

/** Puts an empty line between the reasoning and the answer, where the reasoning goes. */
export function separateReasoning(sinks: AnswerSinks): AnswerSinks {
  let reasoned = false;
  return {
    async reasoning(text) {
      reasoned = true;
      await sinks.reasoning(text);
    },
    async content(text) {
      if (reasoned) await sinks.reasoning("\n\n");
      reasoned = false;
      await sinks.content(text);
    },
  };
}

export interface Answer {
  readonly content: string;
  readonly reasoning: string;
  readonly ids: readonly number[];
  readonly end: EndEvent;
  /** Milliseconds until the first token, and from there to the end. */
  readonly prefillMs: number;
  readonly decodeMs: number;
}

/**
 * Generates one answer.
 * @param startsInThinking whether the prompt has opened the reasoning; null: the text is not split at all
 * @throws what ServedModel.generate throws, and the signal's reason
 */
export async function streamAnswer(
  model: ServedModel,
  request: GenerationRequest,
  startsInThinking: boolean | null,
  sinks: AnswerSinks,
  signal: AbortSignal,
): Promise<Answer> {
  const splitter = startsInThinking === null ? null : new ReasoningSplitter({ startsInThinking });
  const parts = { content: "", reasoning: "" };
  const emit = async (events: readonly ReasoningEvent[]) => {
    for (const { type, text } of events) {
      parts[type] += text;
      await sinks[type](text);
    }
  };
  const plain = (text: string): ReasoningEvent[] => (text === "" ? [] : [{ type: "content", text }]);
  const ids: number[] = [];
  const start = performance.now();
  let first: number | null = null;
  for await (const event of model.generate(request, { signal })) {
    first ??= performance.now();
    await emit(splitter === null ? plain(event.text) : splitter.push(event.text));
    if (event.type === "token") ids.push(event.token);
    else {
      if (splitter !== null) await emit(splitter.flush());
      return { ...parts, ids, end: event, prefillMs: first - start, decodeMs: performance.now() - first };
    }
  }
  throw new Error("the answer had no end");
}
