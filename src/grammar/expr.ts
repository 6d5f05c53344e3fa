import type { ByteDfa } from "./byte-dfa.ts";
import { ANY, type CodePoints, codePoints } from "./code-points.ts";

/**
 * The one form between the front ends (JSON Schema, regular expressions, choices, GBNF) and the automaton: a context-free
 * grammar over UTF-8 text and, for markers that are single tokens, token ids.
 */
export type Expr =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "class"; readonly points: CodePoints }
  | { readonly kind: "sequence"; readonly parts: readonly Expr[] }
  | { readonly kind: "choice"; readonly options: readonly Expr[] }
  /** `max` may be Infinity. */
  | { readonly kind: "repeat"; readonly item: Expr; readonly min: number; readonly max: number }
  /** By its index in `Grammar.rules`. */
  | { readonly kind: "rule"; readonly rule: number }
  | { readonly kind: "members"; readonly members: readonly Member[]; readonly separator: Expr }
  /** A regular language that is no simple expression: intersections, numbers in a range. */
  | { readonly kind: "automaton"; readonly dfa: ByteDfa }
  /** One token by its id, which no text can spell. */
  | { readonly kind: "token"; readonly id: number }
  /** Matches nothing, at the start or the end of the whole text only; inside a regular language alone. */
  | { readonly kind: "anchor"; readonly at: "start" | "end" };

/** One of a list of members in a fixed order: there, maybe there, or there any number of times. */
export interface Member {
  readonly expr: Expr;
  readonly occurs: "once" | "maybe" | "many";
}

export interface Rule {
  name: string;
  /** Null only while the grammar is being built. */
  expr: Expr | null;
  /** Where it is used, its expression may stand in its place. Rules that are used often are better called. */
  readonly inline: boolean;
}

/** Rules are added first and given their expression later, so that they can name one another. */
export class Grammar {
  readonly rules: Rule[] = [];
  start: Expr = EMPTY;

  add(name: string, { inline = false }: { inline?: boolean } = {}): number {
    return this.rules.push({ name, expr: null, inline }) - 1;
  }

  define(name: string, expr: Expr, options: { inline?: boolean } = {}): Expr {
    const rule = this.add(name, options);
    this.rules[rule]!.expr = expr;
    return { kind: "rule", rule };
  }
}

export const EMPTY: Expr = { kind: "sequence", parts: [] };
/** Matches nothing at all, not even the empty text. */
export const NEVER: Expr = { kind: "choice", options: [] };
export const ANY_CHARACTER: Expr = { kind: "class", points: ANY };

export function text(text: string): Expr {
  return text === "" ? EMPTY : { kind: "text", text };
}

export function characters(points: CodePoints): Expr {
  return { kind: "class", points };
}

/** The characters of a text, and ranges written `["a", "z"]`. */
export function oneOf(...parts: readonly (string | readonly [string, string])[]): Expr {
  const ranges = parts.flatMap((part): [number, number][] =>
    typeof part === "string"
      ? Array.from(part, (c) => [c.codePointAt(0)!, c.codePointAt(0)!])
      : [[part[0].codePointAt(0)!, part[1].codePointAt(0)!]],
  );
  return characters(codePoints(...ranges));
}

export function sequence(...parts: readonly (Expr | string)[]): Expr {
  const exprs: Expr[] = [];
  for (const part of parts) {
    const expr = typeof part === "string" ? text(part) : part;
    if (isNever(expr)) return NEVER;
    const last = exprs.at(-1);
    if (expr.kind === "sequence") exprs.push(...expr.parts);
    else if (expr.kind === "text" && last?.kind === "text") exprs[exprs.length - 1] = text(last.text + expr.text);
    else exprs.push(expr);
  }
  return exprs.length === 1 ? exprs[0]! : { kind: "sequence", parts: exprs };
}

export function choice(...options: readonly (Expr | string)[]): Expr {
  const exprs = options.map((o) => (typeof o === "string" ? text(o) : o)).filter((o) => !isNever(o));
  return exprs.length === 1 ? exprs[0]! : { kind: "choice", options: exprs };
}

export function repeat(item: Expr, min: number, max = Number.POSITIVE_INFINITY): Expr {
  if (min > max) return NEVER;
  if (isNever(item) || max === 0) return min === 0 ? EMPTY : NEVER;
  return min === 1 && max === 1 ? item : { kind: "repeat", item, min, max };
}

export function optional(item: Expr): Expr {
  return repeat(item, 0, 1);
}

export function isNever(expr: Expr): boolean {
  return expr.kind === "choice" && expr.options.length === 0;
}
