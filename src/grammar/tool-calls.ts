import { type AnswerForm, formExpr } from "./answer-form.ts";
import { freePairs, type PairForm, type PairMarkers, schemaPairs } from "./argument-pairs.ts";
import type { Budget } from "./budget.ts";
import { choice, EMPTY, type Expr, type Grammar, oneOf, optional, repeat, sequence } from "./expr.ts";
import { GrammarError } from "./grammar-error.ts";
import { schemaExpr } from "./json-schema.ts";
import type { JsonRules } from "./json-text.ts";
import { freeText, type Marker, markerExpr } from "./marker.ts";

export interface CallableTool {
  readonly name: string;
  /** Schema of the arguments, which they must satisfy; null: any JSON object. */
  readonly parameters: unknown | null;
}

/** How a model writes calls; `src/engine/tool-calls.ts` and `tagged-call.ts` show all. */
export type CallFormatName = "v3" | "v3.1" | "kimi" | "qwen" | "glm" | "glm-lines";

/** What marks calls: each of them, and where the format has it the section of calls and the end of a call's header. */
export interface CallMarkers {
  readonly callBegin: Marker;
  readonly callEnd: Marker;
  readonly callsBegin?: Marker;
  readonly callsEnd?: Marker;
  readonly separator?: Marker;
  /** Where the arguments are pairs of keys and values. */
  readonly pairs?: PairMarkers;
}

export interface ToolCalls {
  readonly format: CallFormatName;
  /** Those that may be called; for a named one, it alone. Errors name them by their place: `/tools/0/parameters/...`. */
  readonly tools: readonly CallableTool[];
  readonly markers: CallMarkers;
  /** True: nothing but calls. False: text, and calls if the model likes. */
  readonly required: boolean;
  /** What the text must be; then it is either such a text or calls. Default any. Errors name it `/content/...`. */
  readonly content?: AnswerForm | null;
  /** Whether there may be more calls than one. */
  readonly parallel: boolean;
}

interface CallForm {
  /** What stands between the markers of a call. */
  body(name: string, args: Expr, separator: Expr): Expr;
  /** Between two calls. */
  readonly between: string;
  /** What stands behind keys and values, where arguments are pairs of them. */
  readonly pairSpace?: string;
  /** The section's end may be missing. */
  readonly openEnd?: true;
}

const FORMS: Readonly<Record<CallFormatName, CallForm>> = {
  v3: {
    body: (name, args, separator) => sequence("function", separator, `${name}\n\`\`\`json\n`, args, "\n```"),
    between: "\n",
    openEnd: true, // V3's chat template leaves it out behind a single call
  },
  "v3.1": { body: (name, args, separator) => sequence(name, separator, args), between: "" },
  kimi: {
    // The number counts the conversation's calls, which is the model's to do.
    body: (name, args, separator) => sequence(`functions.${name}:`, repeat(oneOf(["0", "9"]), 1, 3), separator, args),
    between: "",
  },
  qwen: {
    body: (name, args) => sequence(`\n{"name": ${JSON.stringify(name)}, "arguments": `, args, "}\n"),
    between: "\n",
  },
  // GLM-4.7, and the earlier ones.
  glm: { body: (name, args) => sequence(name, args), between: "", pairSpace: "" },
  "glm-lines": { body: (name, args) => sequence(`${name}\n`, args), between: "\n", pairSpace: "\n" },
};

/** @throws GrammarError for a schema, which it names by its tool's place */
export function toolCallsExpr(calls: ToolCalls, grammar: Grammar, json: () => JsonRules, budget: Budget): Expr {
  const { content = null, markers, required, parallel, tools, format } = calls;
  if (tools.length === 0) throw new GrammarError("/tools", "want at least one tool");
  const { between, body, openEnd, pairSpace } = FORMS[format];
  const pairs = markers.pairs && { markers: markers.pairs, space: pairSpace ?? "" };
  const { callBegin, callEnd, callsBegin, callsEnd, separator } = markers;
  const marked = (marker: Marker | undefined) => (marker === undefined ? EMPTY : markerExpr(marker));
  const bodies = tools.map((tool, i) =>
    body(tool.name, argumentsOf(tool, i, pairs, grammar, json(), budget), marked(separator)),
  );
  const call = grammar.define("call", sequence(marked(callBegin), choice(...bodies), marked(callEnd)));
  const block = sequence(
    marked(callsBegin),
    call,
    parallel ? repeat(sequence(between, call), 0) : EMPTY,
    openEnd ? optional(marked(callsEnd)) : marked(callsEnd),
  );
  if (required) return block;
  if (content === null)
    return sequence(
      freeText(
        [callBegin, callEnd, callsBegin, callsEnd, separator].filter((m) => m !== undefined),
        budget,
      ),
      optional(block),
    );
  return choice(
    block,
    within("/content", grammar, () => formExpr(content, grammar, json, budget)),
  );
}

function argumentsOf(
  { parameters }: CallableTool,
  place: number,
  pairs: PairForm | undefined,
  grammar: Grammar,
  json: JsonRules,
  budget: Budget,
): Expr {
  if (parameters === null) return pairs ? freePairs(pairs, budget) : json.object;
  return within(`/tools/${place}/parameters`, grammar, () =>
    pairs ? schemaPairs(parameters, pairs, grammar, json, budget) : schemaExpr(parameters, grammar, json, budget),
  );
}

/** Errors, and the rules that later ones are named by, are told by their place. */
function within<T>(place: string, grammar: Grammar, make: () => T): T {
  const before = grammar.rules.length;
  try {
    return make();
  } catch (error) {
    throw error instanceof GrammarError ? error.within(place) : error;
  } finally {
    for (const rule of grammar.rules.slice(before)) rule.name = place + rule.name;
  }
}
