import type { Budget } from "./budget.ts";
import { subtractDfa } from "./byte-dfa.ts";
import { ANY_CHARACTER, choice, type Expr, optional, repeat, sequence, text } from "./expr.ts";
import { toDfa } from "./regular.ts";

/** A special token; where the vocabulary has none, its text is written. */
export interface Marker {
  readonly text: string;
  readonly id: number | null;
}

/** The reasoning that comes before an answer. */
export interface Reasoning {
  /** What begins it; the model may leave the reasoning out then. Null where the prompt has begun it. */
  readonly begin: Marker | null;
  readonly end: Marker;
}

/** Newlines that belong to the end of the reasoning: R1 writes two. */
const NEWLINES = repeat(text("\n"), 0, 2);

export function markerExpr({ text: written, id }: Marker): Expr {
  return id === null ? text(written) : { kind: "token", id };
}

/** Any text in which no marker is spelled out in ordinary tokens: read back, it would be taken for the marker. */
export function freeText(markers: readonly Marker[], budget: Budget): Expr {
  const any = repeat(ANY_CHARACTER, 0);
  const marked = toDfa(sequence(any, choice(...markers.map((m) => m.text)), any), budget)!;
  return { kind: "automaton", dfa: subtractDfa(toDfa(any, budget)!, marked, budget)! };
}

export function reasoningExpr({ begin, end }: Reasoning, budget: Budget): Expr {
  const rest = sequence(freeText([end], budget), markerExpr(end), NEWLINES);
  return begin === null ? rest : optional(sequence(markerExpr(begin), rest));
}
