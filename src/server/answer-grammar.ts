import type { GenerationEvent, RenderedChat, ServedModel } from "../engine/generation.ts";
import { DEEPSEEK_CALLS, KIMI_CALLS, PAIR_TAGS, TAG_CLOSE, TAG_OPEN } from "../engine/tool-call-formats.ts";
import { ApiError } from "../errors.ts";
import type { GrammarSource } from "../grammar/compile-grammar.ts";
import { GrammarError } from "../grammar/grammar-error.ts";
import type { Marker, Reasoning } from "../grammar/marker.ts";
import type { CallFormatName, CallMarkers, ToolCalls } from "../grammar/tool-calls.ts";
import type { WantedForm } from "../protocol/answer-form.ts";
import { callFormat } from "./call-opening.ts";

/** A tool that the model is shown. */
export interface OfferedTool {
  readonly name: string;
  /** Calls of it are held to its schema. */
  readonly strict: boolean;
  /** Default none. */
  readonly parameters?: unknown;
  /** The parameters' places in the request. */
  readonly strictParam: string;
  readonly schemaParam: string;
}

/** What an answer is asked to be. */
export interface Demands {
  readonly tools: readonly OfferedTool[];
  /** It must be a call: of this tool, or of any where the name is null. Null: it need not. */
  readonly forcedTool: { readonly name: string | null } | null;
  /** What it must be where it is no call. Null: any text. */
  readonly form: WantedForm | null;
  /** Calls after this many are left out. */
  readonly maxToolCalls: number;
}

/** A grammar, and where in the request its parts come from. */
export interface AnswerGrammar {
  readonly source: GrammarSource;
  /** By the beginning of an error's pointer. */
  readonly params: readonly { readonly prefix: string; readonly param: string }[];
}

/** What a strict tool without parameters takes. */
const NO_ARGUMENTS = { type: "object", properties: {}, additionalProperties: false };

/** The grammar of a form alone. */
export function formGrammar({ form, param }: WantedForm): AnswerGrammar {
  return { source: form, params: [{ prefix: "", param }] };
}

/**
 * The grammar that an answer must follow; null where it need not follow any, or where a call has to be forced by the
 * prompt, since the model writes calls in a form that no grammar here knows.
 * @throws ApiError 400 for what such a model cannot be held to
 */
export async function answerGrammar(model: ServedModel, demands: Demands): Promise<AnswerGrammar | null> {
  const { tools, forcedTool, form } = demands;
  const strict = tools.find((tool) => tool.strict);
  if (tools.length === 0) {
    if (form === null) return null;
    const grammar = formGrammar(form);
    checkGrammar(model, grammar);
    return grammar;
  }
  if (forcedTool === null && form === null && strict === undefined) return null;
  // What is wrong with a schema is wrong in any format, and to learn the model's own takes renderings.
  if (form !== null || strict !== undefined) {
    checkGrammar(
      model,
      callsGrammar(demands, "v3.1", (text) => ({ text, id: null })),
    );
  }
  const format = await callFormat(model);
  if (format === null) {
    if (strict !== undefined) throw otherFormat(strict.strictParam, "true");
    if (forcedTool !== null) return null;
    throw otherFormat(form!.param, "beside tools");
  }
  return callsGrammar(demands, format, (text) => marker(model, text));
}

/** The grammar of calls, and of the form beside them, in a format. */
function callsGrammar(
  { tools, forcedTool, form, maxToolCalls }: Demands,
  format: CallFormatName,
  markerOf: (text: string) => Marker,
): AnswerGrammar {
  const callable = tools.filter(({ name }) => (forcedTool?.name ?? name) === name);
  const calls: ToolCalls = {
    format,
    tools: callable.map(({ name, strict, parameters }) => ({
      name,
      parameters: strict ? (parameters ?? NO_ARGUMENTS) : null,
    })),
    markers: markersOf(format, markerOf),
    required: forcedTool !== null,
    content: form?.form ?? null,
    parallel: maxToolCalls > 1,
  };
  const params = callable.map(({ schemaParam }, i) => ({ prefix: `/tools/${i}/parameters`, param: schemaParam }));
  return {
    source: { type: "tool_calls", ...calls },
    params: form === null ? params : [...params, { prefix: "/content", param: form.param }],
  };
}

/** The reasoning that comes before an answer and is free: one that the prompt has begun, or that the model may begin. */
export function reasoningBefore(
  model: ServedModel,
  { startsInThinking, text }: Pick<RenderedChat, "startsInThinking" | "text">,
  wanted: boolean | undefined,
): Reasoning | null {
  const end = marker(model, "</think>");
  if (startsInThinking) return { begin: null, end };
  return wanted && !/<\/think>\s*$/.test(text) ? { begin: marker(model, "<think>"), end } : null;
}

/** Passes events on; an error of the grammar is told by the request's own names. */
export async function* namingParams(
  events: AsyncIterable<GenerationEvent>,
  grammar: AnswerGrammar,
): AsyncGenerator<GenerationEvent> {
  try {
    yield* events;
  } catch (error) {
    throw named(error, grammar);
  }
}

/** Before anything is made for the request. @throws ApiError 400 for what cannot be compiled, by the request's own names */
function checkGrammar(model: ServedModel, grammar: AnswerGrammar): void {
  try {
    model.checkGrammar(grammar.source);
  } catch (error) {
    throw named(error, grammar);
  }
}

/** An error of the grammar by the request's own names; others as they are. */
function named(error: unknown, { params }: AnswerGrammar): unknown {
  if (!(error instanceof GrammarError)) return error;
  const at = params.find(({ prefix }) => error.pointer.startsWith(prefix));
  if (at === undefined) return error;
  const { param, prefix } = at;
  const what = error.message.slice(prefix.length).replace(/^: /, "");
  return new ApiError(400, `'${param}': ${what}`, { param, code: error.code, cause: error });
}

function markersOf(format: CallFormatName, markerOf: (text: string) => Marker): CallMarkers {
  const callMarkers = (begin: string, end: string) => ({ callBegin: markerOf(begin), callEnd: markerOf(end) });
  if (format === "qwen") return callMarkers(TAG_OPEN, TAG_CLOSE);
  if (format === "glm" || format === "glm-lines") {
    const pairs = {
      keyBegin: markerOf(PAIR_TAGS.keyBegin),
      keyEnd: markerOf(PAIR_TAGS.keyEnd),
      valueBegin: markerOf(PAIR_TAGS.valueBegin),
      valueEnd: markerOf(PAIR_TAGS.valueEnd),
    };
    return { ...callMarkers(TAG_OPEN, TAG_CLOSE), pairs };
  }
  const { callsBegin, callsEnd, callBegin, callEnd, separator } = format === "kimi" ? KIMI_CALLS : DEEPSEEK_CALLS;
  return {
    ...callMarkers(callBegin, callEnd),
    callsBegin: markerOf(callsBegin),
    callsEnd: markerOf(callsEnd),
    separator: markerOf(separator),
  };
}

function marker(model: ServedModel, text: string): Marker {
  const [id, ...more] = model.encode(text, { special: true });
  return { text, id: id === undefined || more.length > 0 ? null : id };
}

function otherFormat(param: string, how: string): ApiError {
  return new ApiError(
    400,
    `'${param}' ${how} is not supported: this model's chat template writes calls as none of DeepSeek, Kimi-K2, Qwen and GLM does`,
    { param, code: "unsupported_parameter" },
  );
}
