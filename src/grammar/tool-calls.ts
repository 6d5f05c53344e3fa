import type { Budget } from "./budget.ts";
import { subtractDfa } from "./byte-dfa.ts";
import { ANY_CHARACTER, choice, EMPTY, type Expr, Grammar, optional, repeat, sequence, text } from "./expr.ts";
import { GrammarError } from "./grammar-error.ts";
import { schemaExpr } from "./json-schema.ts";
import { type JsonRules, jsonRules } from "./json-text.ts";
import { toDfa } from "./regular.ts";

/** A special token; where the vocabulary has none, its text is written. */
export interface Marker {
  readonly text: string;
  readonly id: number | null;
}

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
  /** What ends the reasoning that the answer begins in; null where it does not begin in any. */
  readonly thinkEnd: Marker | null;
  /** True: nothing but calls, behind the reasoning. False: text, and calls if the model likes. */
  readonly required: boolean;
  /** Whether there may be more calls than one. */
  readonly parallel: boolean;
}

/** @throws GrammarError for a schema, which it names by its tool's place */
export function toolCallsGrammar(calls: ToolCalls, budget: Budget): Grammar {
  const { markers, thinkEnd, required, parallel, tools, format } = calls;
  if (tools.length === 0) throw new GrammarError("/tools", "want at least one tool");
  const grammar = new Grammar();
  const json = jsonRules(grammar);
  const bodies = tools.map((tool, i) => {
    const body = format === "v3" ? v3Body : v31Body;
    return body(tool.name, argumentsOf(tool, i, grammar, json, budget), markers.separator);
  });
  const call = grammar.define("call", sequence(marker(markers.callBegin), choice(...bodies), marker(markers.callEnd)));
  const further = format === "v3" ? sequence("\n", call) : call;
  const end = marker(markers.callsEnd);
  const block = sequence(
    marker(markers.callsBegin),
    call,
    parallel ? repeat(further, 0) : EMPTY,
    format === "v3" ? optional(end) : end, // V3's chat template leaves it out behind a single call
  );
  const free = freeText(Object.values(markers), budget);
  const reasoning =
    thinkEnd === null ? EMPTY : sequence(freeText([...Object.values(markers), thinkEnd], budget), marker(thinkEnd));
  grammar.start = sequence(reasoning, required ? block : sequence(free, optional(block)));
  return grammar;
}

function argumentsOf(tool: CallableTool, place: number, grammar: Grammar, json: JsonRules, budget: Budget): Expr {
  if (tool.parameters === null) return json.object;
  try {
    return schemaExpr(tool.parameters, grammar, json, budget);
  } catch (error) {
    throw error instanceof GrammarError ? error.within(`/tools/${place}/parameters`) : error;
  }
}

function v3Body(name: string, args: Expr, separator: Marker): Expr {
  return sequence("function", marker(separator), `${name}\n\`\`\`json\n`, args, "\n```");
}

function v31Body(name: string, args: Expr, separator: Marker): Expr {
  return sequence(name, marker(separator), args);
}

function marker({ text: written, id }: Marker): Expr {
  return id === null ? text(written) : { kind: "token", id };
}

/** Any text in which no marker is spelled out in ordinary tokens: read back, it would be taken for the marker. */
function freeText(markers: readonly Marker[], budget: Budget): Expr {
  const any = repeat(ANY_CHARACTER, 0);
  const marked = toDfa(sequence(any, choice(...markers.map((m) => m.text)), any), budget)!;
  return { kind: "automaton", dfa: subtractDfa(toDfa(any, budget)!, marked, budget)! };
}
