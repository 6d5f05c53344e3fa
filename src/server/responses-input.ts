import type { ChatInput } from "../engine/generation.ts";
import type { InputItem, ResponsesRequest } from "../protocol/responses-request.ts";
import type { OfferedTool } from "./answer-grammar.ts";

type TemplateMessage = Readonly<Record<string, unknown>>;

/** The name of the tool that must be called; null: any. Null alone where none must. */
export function forcedByResponses({ tool_choice: choice }: ResponsesRequest): { name: string | null } | null {
  if (choice === "required") return { name: null };
  return typeof choice === "object" && choice.type === "function" ? { name: choice.name } : null;
}

/** A conversation of items in the form chat templates expect. */
export function fromResponses(body: ResponsesRequest, items: readonly InputItem[]): ChatInput {
  const { instructions, reasoning } = body;
  const tools = shownTools(body);
  const system = instructions === undefined ? [] : [{ role: "system", content: instructions }];
  const thinking = reasoning?.effort === undefined ? undefined : reasoning.effort !== "none";
  return {
    messages: [...system, ...toTemplateMessages(items)],
    tools: tools.length === 0 ? null : tools.map(toTemplateTool),
    thinking,
  };
}

/** The tools that the model is shown. */
export function offeredByResponses(body: ResponsesRequest): OfferedTool[] {
  return shownTools(body).map(({ name, parameters, strict = false }, i) => ({
    name,
    strict,
    parameters,
    strictParam: `tools[${i}].strict`,
    schemaParam: `tools[${i}].parameters`,
  }));
}

function shownTools({ tools, tool_choice }: ResponsesRequest): NonNullable<ResponsesRequest["tools"]> {
  return tool_choice === "none" ? [] : (tools ?? []);
}

function toTemplateTool({ name, description, parameters }: NonNullable<ResponsesRequest["tools"]>[number]) {
  const schema = parameters ?? { type: "object", properties: {} };
  return { type: "function", function: { name, description: description ?? "", parameters: schema } };
}

/** Reasoning, text and calls of one turn are items of their own here, and one message in templates. */
function toTemplateMessages(items: readonly InputItem[]): TemplateMessage[] {
  const messages: TemplateMessage[] = [];
  let turn: AssistantTurn | null = null;
  const flush = () => {
    if (turn !== null) messages.push(turn.message());
    turn = null;
  };
  for (const item of items) {
    if (item.type === "item_reference") continue; // refused before
    if (item.type === "function_call_output") {
      flush();
      messages.push({ role: "tool", tool_call_id: item.call_id, content: item.output });
    } else if (item.type === "message" && item.role !== "assistant") {
      flush();
      messages.push({ role: item.role === "developer" ? "system" : item.role, content: item.content });
    } else {
      turn ??= new AssistantTurn();
      turn.add(item);
    }
  }
  flush();
  return messages;
}

type AssistantItem = Extract<InputItem, { type: "message" | "reasoning" | "function_call" }>;

class AssistantTurn {
  readonly #texts: string[] = [];
  readonly #thoughts: string[] = [];
  readonly #calls: object[] = [];

  add(item: AssistantItem): void {
    if (item.type === "message") this.#texts.push(item.content);
    else if (item.type === "reasoning") this.#thoughts.push(...(item.content ?? []).map(({ text }) => text));
    else {
      const { call_id: id, name, arguments: args } = item;
      this.#calls.push({ id, type: "function", function: { name, arguments: args } });
    }
  }

  message(): TemplateMessage {
    const content = this.#texts.join("\n");
    return {
      role: "assistant",
      // DeepSeek-V3's template knows a turn of calls by its missing content.
      content: content || (this.#calls.length > 0 ? null : ""),
      ...(this.#calls.length > 0 ? { tool_calls: this.#calls } : {}),
      ...(this.#thoughts.length > 0 ? { reasoning_content: this.#thoughts.join("\n") } : {}),
    };
  }
}
