import type { ChatInput, GenerationRequest, ServedModel } from "../engine/generation.ts";
import type { SamplingParams } from "../engine/sampling/params.ts";
import { ApiError } from "../errors.ts";
import { type AnswerEvent, readAnswer } from "./answer.ts";
import { callOpening } from "./call-opening.ts";
import type { Source } from "./merge.ts";

/** A conversation to be answered, whichever API it came by. */
export interface Conversation {
  readonly chat: ChatInput;
  /** Calls after this many are left out. */
  readonly maxToolCalls: number;
  /** The answer must be a call: of this tool, or of any where the name is null. Null: it need not. */
  readonly forcedTool: { readonly name: string | null } | null;
  /** The answer begins with this, and what comes back is how it goes on. */
  readonly begun: BegunAnswer | null;
  readonly generation: Omit<GenerationRequest, "prompt" | "sampling">;
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
  const tools = (chat.tools ?? []).length > 0;
  if (forcedTool !== null && begun !== null) {
    throw new ApiError(400, "'tool_choice' cannot force a call where the last message begins the answer", {
      param: "tool_choice",
      code: "unsupported_parameter",
    });
  }
  const rendered = await model.renderChat(chat);
  const ids = [...rendered.ids];
  let { startsInThinking } = rendered;
  let opening = "";
  if (forcedTool !== null) {
    opening = await callOpening(model, forcedTool.name);
    ids.push(...model.encode((startsInThinking ? END_THINKING : "") + opening, { special: true }));
    startsInThinking = false;
  } else if (begun !== null) {
    ids.push(...beginAnswer(model, begun, startsInThinking));
    startsInThinking &&= begun.content === "" && begun.reasoning !== null;
  }
  const options = { startsInThinking, tools, maxToolCalls, isText: textParameters(chat.tools ?? []), opening };
  return {
    promptTokens: ids.length,
    answer: (sampling) => (signal) =>
      readAnswer(model.generate({ ...generation, prompt: ids, sampling }, { signal }), options),
  };
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
