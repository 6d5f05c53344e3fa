import type { ChatInput } from "../engine/generation.ts";
import type { SamplingParams } from "../engine/sampling/params.ts";
import { type ChatMessage, type ChatRequest, wantsThinking } from "../protocol/chat-request.ts";
import { engineNames, type SamplingFields } from "../protocol/sampling.ts";
import type { OfferedTool } from "./answer-grammar.ts";
import type { BegunAnswer } from "./conversation.ts";

/** An empty schema, which is what leaving out `parameters` means (OpenAI's API reference). */
const NO_PARAMETERS = { type: "object", properties: {} };

/**
 * Sampling parameters of one choice.
 * @param choice is added to the seed, so that several choices differ and each can be had again alone
 */
export function toSampling(body: Partial<SamplingFields>, choice: number): Partial<SamplingParams> {
  const sampling: Record<string, unknown> = {};
  for (const [field, name] of Object.entries(engineNames)) {
    const value = body[field as keyof SamplingFields];
    if (value !== undefined) sampling[name] = value;
  }
  if (body.seed !== undefined) sampling.seed = BigInt(body.seed) + BigInt(choice);
  if (body.logit_bias !== undefined) {
    sampling.logitBias = new Map(Object.entries(body.logit_bias).map(([token, bias]) => [Number(token), bias]));
  }
  return sampling satisfies Partial<Record<keyof SamplingParams, unknown>> as Partial<SamplingParams>;
}

/** Of a chat request, what the template sees. */
export type ChatFields = Pick<ChatRequest, "messages"> &
  Partial<Pick<ChatRequest, "tools" | "tool_choice" | "thinking" | "reasoning_effort" | "chat_template_kwargs">>;

/** Whether the model is shown the tools, so that its answer may hold calls. */
function usesTools({ tools, tool_choice }: ChatFields): boolean {
  return tools !== undefined && tools.length > 0 && tool_choice !== "none";
}

/** The conversation in the form chat templates expect, without a message that begins the answer. */
export function toChatInput(body: ChatFields): ChatInput {
  const messages = begunAnswer(body) === null ? body.messages : body.messages.slice(0, -1);
  return {
    messages: messages.map(toTemplateMessage),
    tools: usesTools(body) ? body.tools!.map(toTemplateTool) : null,
    thinking: wantsThinking(body),
  };
}

/** The tools that the model is shown. */
export function offeredTools(body: ChatFields): OfferedTool[] {
  if (!usesTools(body)) return [];
  return body.tools!.map(({ function: { name, parameters, strict = false } }, i) => ({
    name,
    strict,
    parameters,
    strictParam: `tools[${i}].function.strict`,
    schemaParam: `tools[${i}].function.parameters`,
  }));
}

/** The last message, where the answer is to begin with it. */
export function begunAnswer({ messages }: Pick<ChatRequest, "messages">): BegunAnswer | null {
  const last = messages[messages.length - 1]!;
  if (last.role !== "assistant" || !last.prefix) return null;
  return { content: last.content ?? "", reasoning: last.reasoning_content ?? null };
}

function toTemplateTool({ function: { name, description, parameters } }: NonNullable<ChatRequest["tools"]>[number]) {
  return {
    type: "function",
    function: { name, description: description ?? "", parameters: parameters ?? NO_PARAMETERS },
  };
}

/** Only fields that are there: templates ask whether a field is defined. */
function toTemplateMessage(message: ChatMessage): Readonly<Record<string, unknown>> {
  const name = message.name === undefined ? {} : { name: message.name };
  switch (message.role) {
    case "developer":
      return { role: "system", content: message.content, ...name };
    case "tool":
      return { role: "tool", content: message.content, tool_call_id: message.tool_call_id, ...name };
    case "assistant": {
      const calls = message.tool_calls?.map(({ id, type, function: f }) => ({ id, type, function: f })) ?? [];
      return {
        role: "assistant",
        // DeepSeek-V3's template knows a turn of calls by its missing content.
        content: message.content || (calls.length > 0 ? null : ""),
        ...(calls.length > 0 ? { tool_calls: calls } : {}),
        ...(message.reasoning_content === undefined ? {} : { reasoning_content: message.reasoning_content }),
        ...name,
      };
    }
    default:
      return { role: message.role, content: message.content, ...name };
  }
}
