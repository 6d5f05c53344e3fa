import { type AnswerForm, formExpr } from "./answer-form.ts";
import type { Budget } from "./budget.ts";
import { choice, EMPTY, type Expr, type Grammar, optional, repeat, sequence } from "./expr.ts";
import { GrammarError } from "./grammar-error.ts";
import { schemaExpr } from "./json-schema.ts";
import type { JsonRules } from "./json-text.ts";
import { freeText, type Marker, markerExpr } from "./marker.ts";

export interface CallableTool {
  readonly name: string;
  /** Schema of the arguments, which they must satisfy; null: any JSON object. */
  readonly parameters: unknown | null;
}

export interface ToolCalls {
  /** How the model writes calls; `src/engine/tool-calls.ts` shows both. */
  readonly format: "v3" | "v3.1";
  /** Those that may be called; for a named one, it alone. Errors name them by their place: `/tools/0/parameters/...`. */
  readonly tools: readonly CallableTool[];
  readonly markers: {
    readonly callsBegin: Marker;
    readonly callsEnd: Marker;
    readonly callBegin: Marker;
    readonly callEnd: Marker;
    readonly separator: Marker;
  };
  /** True: nothing but calls. False: text, and calls if the model likes. */
  readonly required: boolean;
  /** What the text must be; then it is either such a text or calls. Default any. Errors name it `/content/...`. */
  readonly content?: AnswerForm | null;
  /** Whether there may be more calls than one. */
  readonly parallel: boolean;
}

/** @throws GrammarError for a schema, which it names by its tool's place */
export function toolCallsExpr(calls: ToolCalls, grammar: Grammar, json: () => JsonRules, budget: Budget): Expr {
  const { content = null, markers, required, parallel, tools, format } = calls;
  if (tools.length === 0) throw new GrammarError("/tools", "want at least one tool");
  const bodies = tools.map((tool, i) => {
    const body = format === "v3" ? v3Body : v31Body;
    return body(tool.name, argumentsOf(tool, i, grammar, json(), budget), markers.separator);
  });
  const call = grammar.define(
    "call",
    sequence(markerExpr(markers.callBegin), choice(...bodies), markerExpr(markers.callEnd)),
  );
  const further = format === "v3" ? sequence("\n", call) : call;
  const end = markerExpr(markers.callsEnd);
  const block = sequence(
    markerExpr(markers.callsBegin),
    call,
    parallel ? repeat(further, 0) : EMPTY,
    format === "v3" ? optional(end) : end, // V3's chat template leaves it out behind a single call
  );
  if (required) return block;
  if (content === null) return sequence(freeText(Object.values(markers), budget), optional(block));
  return choice(
    block,
    within("/content", () => formExpr(content, grammar, json, budget)),
  );
}

function argumentsOf(tool: CallableTool, place: number, grammar: Grammar, json: JsonRules, budget: Budget): Expr {
  if (tool.parameters === null) return json.object;
  return within(`/tools/${place}/parameters`, () => schemaExpr(tool.parameters, grammar, json, budget));
}

function within<T>(place: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof GrammarError ? error.within(place) : error;
  }
}

function v3Body(name: string, args: Expr, separator: Marker): Expr {
  return sequence("function", markerExpr(separator), `${name}\n\`\`\`json\n`, args, "\n```");
}

function v31Body(name: string, args: Expr, separator: Marker): Expr {
  return sequence(name, markerExpr(separator), args);
}
