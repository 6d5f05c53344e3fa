import type { EndEvent, GenerationRequest, ServedModel } from "../engine/generation.ts";
import { ReasoningSplitter } from "../engine/reasoning.ts";

/** Where the text of an answer goes as it comes. */
export interface AnswerSinks {
  content(text: string): Promise<void>;
  reasoning(text: string): Promise<void>;
}

export interface Answer {
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
  const emit = async (events: ReturnType<ReasoningSplitter["push"]>) => {
    for (const { type, text } of events) await sinks[type](text);
  };
  const put = async (text: string) => {
    if (splitter !== null) await emit(splitter.push(text));
    else if (text !== "") await sinks.content(text);
  };
  const ids: number[] = [];
  const start = performance.now();
  let first: number | null = null;
  for await (const event of model.generate(request, { signal })) {
    first ??= performance.now();
    await put(event.text);
    if (event.type === "token") ids.push(event.token);
    else {
      if (splitter !== null) await emit(splitter.flush());
      return { ids, end: event, prefillMs: first - start, decodeMs: performance.now() - first };
    }
  }
  throw new Error("the answer had no end");
}
