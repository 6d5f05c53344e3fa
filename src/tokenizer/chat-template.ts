import type { JsonObject } from "./json-fields.ts";
import { SpecialLiterals } from "./special-literals.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A template and the token texts that it can write. */
export interface ChatTemplate {
  /** Jinja source. */
  readonly source: string;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
}

/** What a chat template is rendered with. */
export interface ChatInput {
  /** In OpenAI's form: role, content, tool_calls and so on, handed to the template as they are. */
  readonly messages: readonly JsonObject[];
  readonly tools?: readonly unknown[] | null;
  /** Whether the text ends where the assistant's answer begins (default true). */
  readonly addGenerationPrompt?: boolean;
  /** Sets both `thinking` (DeepSeek) and `enable_thinking` (Qwen, GLM); unset: the template's default. */
  readonly thinking?: boolean;
  /** Further variables, as in `chat_template_kwargs`. */
  readonly variables?: JsonObject;
}

/** Renders Jinja: `TemplateWorker.render`, or JinjaTemplate directly where no thread can be had. */
export type RenderTemplate = (source: string, variables: JsonObject) => string | Promise<string>;

/** The text of a conversation and its token ids. A template writes its BOS itself, so `ids` holds it already. */
export interface RenderedChat {
  readonly text: string;
  readonly ids: number[];
}

/** How a template wants `tool_calls[].function.arguments`: as the JSON text of OpenAI's API, or parsed. */
export type ToolArgumentsForm = "string" | "object";

/**
 * Literals that an assistant message may hold: templates cut reasoning off earlier answers with
 * `content.split('</think>')`, and the answer that the model gave had these as tokens. Nobody else's are trusted.
 */
const ASSISTANT_LITERALS = ["<think>", "</think>"] as const;

/** Turns conversations into prompts, with one template and one vocabulary. */
export class ChatRenderer {
  readonly #template: ChatTemplate;
  readonly #tokenizer: Tokenizer;
  readonly #render: RenderTemplate;
  readonly #literals: SpecialLiterals;
  #form: Promise<ToolArgumentsForm> | null = null;

  constructor(template: ChatTemplate, tokenizer: Tokenizer, render: RenderTemplate) {
    this.#template = template;
    this.#tokenizer = tokenizer;
    this.#render = render;
    this.#literals = new SpecialLiterals(tokenizer.addedTokens);
  }

  /**
   * The text alone, exactly as apply_chat_template gives it.
   * @throws TextError as JinjaTemplate.render and TemplateWorker.render
   */
  async text(input: ChatInput): Promise<string> {
    return this.#render(this.#template.source, { ...callerVariables(input), ...this.#ownVariables(input) });
  }

  /**
   * The text and its ids, in which only the template's own text makes added tokens: what stands in messages, tools and
   * variables is plain text, also if it reads `<｜User｜>`. The text is that of `text()`, but for templates that look for
   * such literals in content, which do not find them (except `<think>` and `</think>` in an assistant's own content).
   * @throws TextError as JinjaTemplate.render and TemplateWorker.render
   */
  async encode(input: ChatInput): Promise<RenderedChat> {
    const marks = this.#literals.newMarks();
    const { messages, tools, ...rest } = callerVariables(input);
    const variables = {
      ...marks.add(rest, { compared: true }),
      tools: marks.add(tools),
      messages: messages.map((message) => {
        const { content, ...fields } = message;
        if (message.role !== "assistant" || content === undefined) return marks.add(message);
        return { ...marks.add(fields), content: marks.add(content, { trusted: ASSISTANT_LITERALS }) };
      }),
      ...this.#ownVariables(input),
    };
    const { text, content } = marks.remove(await this.#render(this.#template.source, variables));
    return { text, ids: this.#tokenizer.encode(text, { special: true, content }) };
  }

  /**
   * Finds out by rendering an example how the template wants tool arguments, since templates disagree: V3's writes them
   * as they are, V3.1's through `tojson` (a string would come out quoted twice), V3.2's needs an object. A template that
   * takes a string gets one.
   */
  toolArgumentsForm(): Promise<ToolArgumentsForm> {
    this.#form ??= this.#probe();
    return this.#form;
  }

  async #probe(): Promise<ToolArgumentsForm> {
    const text = '{"probe_argument": 1}';
    const shows = async (args: unknown, sign: string): Promise<boolean> => {
      // Some templates write a call only where the content is null, others only where it is a string.
      for (const content of [null, ""]) {
        const call = { id: "call_000000", type: "function", function: { name: "probe_name", arguments: args } };
        const messages = [
          { role: "user", content: "x" },
          { role: "assistant", content, tool_calls: [call] },
        ];
        const rendered = await this.text({ messages, addGenerationPrompt: false }).catch(() => "");
        if (rendered.includes(sign)) return true;
      }
      return false;
    };
    if (await shows(text, text)) return "string";
    return (await shows(JSON.parse(text), "probe_argument")) ? "object" : "string";
  }

  #ownVariables(input: ChatInput): JsonObject {
    const { bosToken, eosToken } = this.#template;
    return {
      add_generation_prompt: input.addGenerationPrompt ?? true,
      // As apply_chat_template, which leaves out those that are not set.
      ...(bosToken === null ? {} : { bos_token: bosToken }),
      ...(eosToken === null ? {} : { eos_token: eosToken }),
    };
  }
}

function callerVariables(input: ChatInput): JsonObject & { messages: readonly JsonObject[] } {
  const { thinking } = input;
  return {
    tools: input.tools ?? null,
    documents: null,
    ...(thinking === undefined ? {} : { thinking, enable_thinking: thinking }),
    ...input.variables,
    messages: input.messages,
  };
}

/** Messages with the arguments of their tool calls in the form wanted, where they can be brought into it. */
export function withToolArguments(messages: readonly JsonObject[], form: ToolArgumentsForm): JsonObject[] {
  return messages.map((message) => {
    const { tool_calls: calls } = message;
    if (!Array.isArray(calls)) return message;
    return { ...message, tool_calls: calls.map((call) => withArguments(call, form)) };
  });
}

function withArguments(call: unknown, form: ToolArgumentsForm): unknown {
  const { function: called } = (call ?? {}) as { function?: { arguments?: unknown } };
  const given = called?.arguments;
  if (typeof given === "string" && form === "object") {
    const parsed = parseObject(given);
    return parsed === null ? call : { ...(call as object), function: { ...called, arguments: parsed } };
  }
  if (typeof given === "object" && given !== null && form === "string")
    return { ...(call as object), function: { ...called, arguments: JSON.stringify(given) } };
  return call;
}

function parseObject(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
