import type { ChatInput } from "../engine/generation.ts";
import type { CountTokensRequest, MessageParam } from "../protocol/messages-request.ts";
import type { OfferedTool } from "./answer-grammar.ts";
import type { BegunAnswer } from "./conversation.ts";

type TemplateMessage = Readonly<Record<string, unknown>>;

/** The name of the tool that must be called; null: any. Undefined where none must. */
export function forcedByAnthropic({ tool_choice: choice }: CountTokensRequest): { name: string | null } | null {
  if (choice?.type === "tool") return { name: choice.name };
  return choice?.type === "any" ? { name: null } : null;
}

/** An Anthropic conversation in the form chat templates expect, without a last message that begins the answer. */
export function fromAnthropic(body: CountTokensRequest): ChatInput {
  const messages = begunByAnthropic(body) === null ? body.messages : body.messages.slice(0, -1);
  const system = body.system === undefined ? [] : [{ role: "system", content: body.system }];
  const tools = shownTools(body);
  return {
    messages: [...system, ...messages.flatMap(toTemplateMessages)],
    tools: tools.length === 0 ? null : tools.map(toTemplateTool),
    thinking: body.thinking,
  };
}

/** A last message of the assistant: the answer goes on from it. */
export function begunByAnthropic({ messages }: CountTokensRequest): BegunAnswer | null {
  const last = messages[messages.length - 1]!;
  return last.role === "assistant" ? { content: textOf(last), reasoning: thinkingOf(last) } : null;
}

/** The tools that the model is shown. */
export function offeredByAnthropic(body: CountTokensRequest): OfferedTool[] {
  return shownTools(body).map(({ name, input_schema, strict = false }, i) => ({
    name,
    strict,
    parameters: input_schema,
    strictParam: `tools[${i}].strict`,
    schemaParam: `tools[${i}].input_schema`,
  }));
}

function shownTools({ tools, tool_choice }: CountTokensRequest): NonNullable<CountTokensRequest["tools"]> {
  return tool_choice?.type === "none" ? [] : (tools ?? []);
}

function toTemplateTool({ name, description, input_schema }: NonNullable<CountTokensRequest["tools"]>[number]) {
  return { type: "function", function: { name, description: description ?? "", parameters: input_schema } };
}

/** Results of tools are messages of their own in templates. */
function toTemplateMessages(message: MessageParam): TemplateMessage[] {
  if (message.role === "assistant") return [toAssistantMessage(message)];
  const messages: TemplateMessage[] = [];
  let texts: string[] = [];
  const flush = () => {
    if (texts.length > 0) messages.push({ role: message.role, content: texts.join("\n") });
    texts = [];
  };
  for (const block of message.content) {
    if (block.type === "text") texts.push(block.text);
    else if (block.type === "tool_result") {
      flush();
      const content = `${block.is_error ? "Error: " : ""}${block.content ?? ""}`;
      messages.push({ role: "tool", tool_call_id: block.tool_use_id, content });
    }
  }
  flush();
  return messages;
}

function toAssistantMessage(message: MessageParam): TemplateMessage {
  const calls = message.content.flatMap((block) =>
    block.type === "tool_use"
      ? [{ id: block.id, type: "function", function: { name: block.name, arguments: JSON.stringify(block.input) } }]
      : [],
  );
  const reasoning = thinkingOf(message);
  return {
    role: "assistant",
    // DeepSeek-V3's template knows a turn of calls by its missing content.
    content: textOf(message) || (calls.length > 0 ? null : ""),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(reasoning === null ? {} : { reasoning_content: reasoning }),
  };
}

function textOf({ content }: MessageParam): string {
  return content.map((block) => (block.type === "text" ? block.text : "")).join("");
}

function thinkingOf({ content }: MessageParam): string | null {
  const texts = content.flatMap((block) => (block.type === "thinking" ? [block.thinking] : []));
  return texts.length === 0 ? null : texts.join("\n");
}
