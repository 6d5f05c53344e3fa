import type { ChatInput, GenerationRequest, ServedModel } from "../engine/generation.ts";
import type { SamplingParams } from "../engine/sampling/params.ts";
import { ApiError } from "../errors.ts";
import { type AnswerEvent, readAnswer } from "./answer.ts";
import { type AnswerGrammar, answerGrammar, type Demands, namingParams, reasoningBefore } from "./answer-grammar.ts";
import { callOpening } from "./call-opening.ts";
import type { Source } from "./merge.ts";

/** A conversation to be answered, whichever API it came by. */
export interface Conversation extends Demands {
  readonly chat: ChatInput;
  /** The answer begins with this, and what comes back is how it goes on. */
  readonly begun: BegunAnswer | null;
  readonly generation: Omit<GenerationRequest, "prompt" | "sampling" | "grammar" | "constraint">;
}

export interface BegunAnswer {
  readonly content: string;
  readonly reasoning: string | null;
}

export interface OpenConversation {
  readonly promptTokens: number;
  /** One answer; sampling is what several differ in. */
  answer(sampling: Partial<SamplingParams>): Source<AnswerEvent>;
}

/** What ends a reasoning block that the template has opened. */
const END_THINKING = "\n</think>\n\n";

/**
 * Renders a conversation once, for any number of choices.
 * @throws TextError where the template refuses it, ApiError where a call cannot be forced
 */
export async function openConversation(model: ServedModel, conversation: Conversation): Promise<OpenConversation> {
  const { chat, maxToolCalls, forcedTool, begun, generation } = conversation;
  const grammar = await answerGrammar(model, conversation);
  const opens = forcedTool !== null && grammar === null;
  if (begun !== null) checkBegun(conversation, grammar);
  if (opens && chat.thinking) {
    throw unsupported("tool_choice", "cannot force a call of this model while thinking is on: turn one of them off");
  }
  // Inside a call there is no room for reasoning.
  const rendered = await model.renderChat(opens ? { ...chat, thinking: false } : chat);
  const ids = [...rendered.ids];
  let { startsInThinking } = rendered;
  let opening = "";
  if (opens) {
    opening = await callOpening(model, forcedTool.name);
    ids.push(...model.encode((startsInThinking ? END_THINKING : "") + opening, { special: true }));
    startsInThinking = false;
  } else if (begun !== null) {
    ids.push(...beginAnswer(model, begun, startsInThinking));
    startsInThinking &&= begun.content === "" && begun.reasoning !== null;
  }
  const tools = (chat.tools ?? []).length > 0;
  const options = { startsInThinking, tools, maxToolCalls, isText: textParameters(chat.tools ?? []), opening };
  const request = { ...generation, prompt: ids };
  const answer = (sampling: Partial<SamplingParams>, signal: AbortSignal) => {
    if (grammar === null) return model.generate({ ...request, sampling }, { signal });
    const source = { ...grammar.source, reasoning: reasoningBefore(model, rendered, chat.thinking) };
    return namingParams(model.generate({ ...request, sampling, grammar: source }, { signal }), grammar);
  };
  return {
    promptTokens: ids.length,
    answer: (sampling) => (signal) => readAnswer(answer(sampling, signal), options),
  };
}

/** An answer that is begun is a text, and any. */
function checkBegun({ forcedTool, form, tools }: Conversation, grammar: AnswerGrammar | null): void {
  const where = "where the last message begins the answer";
  if (forcedTool !== null) throw unsupported("tool_choice", `cannot force a call ${where}`);
  if (grammar === null) return;
  const param = form?.param ?? tools.find(({ strict }) => strict)!.strictParam;
  throw unsupported(param, `is not supported ${where}`);
}

function unsupported(param: string, what: string): ApiError {
  return new ApiError(400, `'${param}' ${what}`, { param, code: "unsupported_parameter" });
}

/** Reasoning without content is gone on with; content is never part of the reasoning. */
function beginAnswer(model: ServedModel, { content, reasoning }: BegunAnswer, thinking: boolean): number[] {
  if (!thinking) return model.encode(content);
  const thought = model.encode(reasoning ?? "");
  if (content === "" && reasoning !== null) return thought;
  return [...thought, ...model.encode(END_THINKING, { special: true }), ...model.encode(content)];
}

/** What the tools' schemas say of their parameters. */
function textParameters(tools: readonly unknown[]): (tool: string, parameter: string) => boolean {
  const isText = new Set<string>();
  for (const tool of tools) {
    const { function: f } = tool as { function?: { name?: string; parameters?: { properties?: unknown } } };
    for (const [name, schema] of Object.entries(f?.parameters?.properties ?? {})) {
      if ((schema as { type?: unknown } | null)?.type === "string") isText.add(JSON.stringify([f?.name, name]));
    }
  }
  return (tool, parameter) => isText.has(JSON.stringify([tool, parameter]));
}
