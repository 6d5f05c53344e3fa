import type { ServedModel } from "../engine/generation.ts";
import {
  CALL_FORMATS,
  type CallFormat,
  DEEPSEEK_CALLS,
  KIMI_CALLS,
  PAIR_TAGS,
  TAG_OPEN,
} from "../engine/tool-call-formats.ts";
import { ApiError } from "../errors.ts";
import type { CallFormatName } from "../grammar/tool-calls.ts";

/** A name that no template writes by itself. */
const PROBE = "deepts_probe";
const PROBE_ARGUMENT = "deepts_argument";

/** How each format begins a call of the probe. */
const FORMAT_OPENINGS: readonly (readonly [CallFormatName, string])[] = [
  ["v3", `${sectionOf(DEEPSEEK_CALLS)}function${DEEPSEEK_CALLS.separator}${PROBE}\n\`\`\`json\n{`],
  ["v3.1", `${sectionOf(DEEPSEEK_CALLS)}${PROBE}${DEEPSEEK_CALLS.separator}{`],
  ["kimi", `${sectionOf(KIMI_CALLS)}functions.${PROBE}:0${KIMI_CALLS.separator}{`],
  ["qwen", `${TAG_OPEN}\n{"name": "${PROBE}", "arguments": {`],
  ["glm", pairsOf("")],
  ["glm-lines", pairsOf("\n")],
];

const OPENINGS = [...CALL_FORMATS.flatMap(({ callsBegin, callBegin }) => [callsBegin, callBegin]), TAG_OPEN];

/**
 * How a call begins in the model's own wire format, down to its arguments or, for any tool, to the name. A prompt that
 * ends with it leaves the model no choice but to call. The chat template is asked by rendering an example.
 * @param name null: any tool
 * @throws ApiError 400 where the template shows no calls
 */
export async function callOpening(model: ServedModel, name: string | null): Promise<string> {
  const opening = await openingOf(model);
  if (opening !== null) return name === null ? opening.any : opening.named.replaceAll(PROBE, name);
  throw new ApiError(400, "'tool_choice' can force no call: this model's chat template shows no tool calls", {
    param: "tool_choice",
    code: "unsupported_parameter",
  });
}

/** Which of the formats that a grammar can hold an answer to is the model's own; null: none of them. */
export async function callFormat(model: ServedModel): Promise<CallFormatName | null> {
  const call = (await openingOf(model))?.call;
  return FORMAT_OPENINGS.find(([, opening]) => call?.startsWith(opening))?.[0] ?? null;
}

function sectionOf({ callsBegin, callBegin }: CallFormat): string {
  return callsBegin + callBegin;
}

function pairsOf(space: string): string {
  const { keyBegin, keyEnd, valueBegin, valueEnd } = PAIR_TAGS;
  return [`${TAG_OPEN}${PROBE}`, `${keyBegin}${PROBE_ARGUMENT}${keyEnd}`, `${valueBegin}1${valueEnd}`].join(space);
}

async function openingOf(model: ServedModel): Promise<Opening | null> {
  // Some templates write a call only where the content is null, others only where it is a string.
  for (const content of [null, ""]) {
    const call = {
      id: `functions.${PROBE}:0`, // as Kimi-K2 has it; other templates write no ids
      type: "function",
      function: { name: PROBE, arguments: `{"${PROBE_ARGUMENT}": 1}` },
    };
    const messages = [
      { role: "user", content: "x" },
      { role: "assistant", content, tool_calls: [call] },
    ];
    const rendered = await model.renderChat({ messages, addGenerationPrompt: false }).catch(() => null);
    const opening = rendered && openingIn(rendered.text);
    if (opening !== null) return opening;
  }
  return null;
}

interface Opening {
  /** The example, from where the calls begin. */
  readonly call: string;
  /** What stands before the name, and before the arguments. */
  readonly any: string;
  readonly named: string;
}

function openingIn(text: string): Opening | null {
  const starts = OPENINGS.map((opening) => text.indexOf(opening)).filter((at) => at >= 0);
  if (starts.length === 0) return null;
  const call = text.slice(Math.min(...starts));
  const name = call.indexOf(PROBE);
  if (name < 0) return null;
  const args = call.indexOf("{", name + PROBE.length);
  const pairs = call.indexOf(PAIR_TAGS.keyBegin, name);
  const end = args >= 0 && pairs < 0 ? args : name + PROBE.length;
  return { call, any: call.slice(0, name), named: call.slice(0, end) };
}
