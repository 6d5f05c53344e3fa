import type { ChatInput } from "../engine/generation.ts";
import type { SamplingParams } from "../engine/sampling/params.ts";
import { type ChatMessage, type ChatRequest, wantsThinking } from "../protocol/chat-request.ts";
import { engineNames, type SamplingFields } from "../protocol/sampling.ts";

/** An empty schema, which is what leaving out `parameters` means (OpenAI's API reference). */
const NO_PARAMETERS = { type: "object", properties: {} };

/**
 * Sampling parameters of one choice.
 * @param choice is added to the seed, so that several choices differ and each can be had again alone
 */
export function toSampling(body: SamplingFields, choice: number): Partial<SamplingParams> {
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

/** Whether the model is shown the tools, so that its answer may hold calls. */
export function usesTools(body: ChatRequest): boolean {
  return body.tools !== undefined && body.tools.length > 0 && body.tool_choice !== "none";
}

/** The conversation in the form chat templates expect. */
export function toChatInput(body: ChatRequest): ChatInput {
  return {
    messages: body.messages.map(toTemplateMessage),
    tools: usesTools(body) ? body.tools!.map(toTemplateTool) : null,
    thinking: wantsThinking(body),
  };
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
