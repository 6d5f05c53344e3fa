import type { Budget } from "./budget.ts";
import { type ByteDfa, exploreDfa, intersectDfas } from "./byte-dfa.ts";
import { ANY_CHARACTER, type Expr, NEVER, repeat } from "./expr.ts";
import { FORMAT_NAMES, formatExpr } from "./formats.ts";
import { GrammarError, locate } from "./grammar-error.ts";
import { inString, PLAIN_CHARACTER, STRING_CHARACTER } from "./json-text.ts";
import { regexContaining } from "./regex.ts";
import { toDfa } from "./regular.ts";
import { type Part, values } from "./schema-parts.ts";

/** How a string's characters are written. */
export interface StringForm {
  encode(expr: Expr): Expr;
  /** One character, in any way it may be written. */
  readonly character: Expr;
  /** One character, in the way that patterns and formats have it. */
  readonly plain: Expr;
}

const QUOTED: StringForm = { encode: inString, character: STRING_CHARACTER, plain: PLAIN_CHARACTER };
/** As it stands, without quotes. */
export const BARE: StringForm = { encode: (expr) => expr, character: ANY_CHARACTER, plain: ANY_CHARACTER };

/** Beside `pattern` or `format`, lengths become states of their own. */
const MAX_LENGTH_OF_PATTERN = 2048;

/**
 * What may stand between the quotes of a string; null: anything.
 * @param form default as in JSON
 * @throws GrammarError for patterns and formats that are not supported, or beyond the budget
 */
export function stringContent(parts: readonly Part[], budget: Budget, form: StringForm = QUOTED): Expr | null {
  const [min, max] = lengths(parts);
  const patterns = parts.flatMap((part) => partPatterns(part, budget, form));
  const limited = min > 0 || max !== Number.POSITIVE_INFINITY;
  if (patterns.length === 0) return limited ? repeat(form.character, min, max) : null;
  if (patterns.length === 1 && !limited) return patterns[0]!.expr;
  const { pointer } = patterns[0]!;
  if (min > MAX_LENGTH_OF_PATTERN || (max > MAX_LENGTH_OF_PATTERN && max !== Number.POSITIVE_INFINITY)) {
    throw new GrammarError(pointer, `beside it, lengths above ${MAX_LENGTH_OF_PATTERN} are not supported`);
  }
  return locate(pointer, () => {
    const dfas = patterns.map(({ expr }) => toDfa(expr, budget));
    if (limited) dfas.push(ofLength(min, max, budget, form));
    const common = dfas.reduce((a, b): ByteDfa | null => a && b && intersectDfas(a, b, budget));
    return common === null ? NEVER : { kind: "automaton", dfa: common };
  });
}

/** Strings of `min` to `max` characters; in JSON as `JSON.stringify` writes them. */
function ofLength(min: number, max: number, budget: Budget, { plain }: StringForm): ByteDfa | null {
  const { edges, final } = toDfa(plain, budget)!;
  const most = max === Number.POSITIVE_INFINITY ? min : max;
  type Within = readonly [state: number, count: number];
  return exploreDfa<Within>(
    {
      start: [0, 0],
      key: ([state, count]) => state * (most + 1) + count,
      edges([state, count], edge) {
        if (state === 0 && count === max) return;
        const out = edges[state]!;
        for (let e = 0; e < out.length; e += 3) {
          const to = out[e + 2]!;
          edge(out[e]!, out[e + 1]!, final[to] ? [0, Math.min(count + 1, most)] : [to, count]);
        }
      },
      isFinal: ([state, count]) => state === 0 && count >= min,
    },
    budget,
  );
}

function lengths(parts: readonly Part[]): [min: number, max: number] {
  return [
    Math.max(0, ...values<number>(parts, "minLength")),
    Math.min(Number.POSITIVE_INFINITY, ...values<number>(parts, "maxLength")),
  ];
}

function partPatterns(
  { schema, pointer }: Part,
  budget: Budget,
  { encode }: StringForm,
): { expr: Expr; pointer: string }[] {
  const found: { expr: Expr; pointer: string }[] = [];
  if (schema.pattern !== undefined) {
    const at = `${pointer}/pattern`;
    found.push({ expr: regexContaining(schema.pattern as string, at, budget, encode), pointer: at });
  }
  if (schema.format !== undefined) {
    const at = `${pointer}/format`;
    const expr = formatExpr(schema.format as string);
    if (expr === null) {
      throw new GrammarError(
        at,
        `${JSON.stringify(schema.format)} is not supported; known are ${FORMAT_NAMES.join(", ")}`,
      );
    }
    found.push({ expr, pointer: at });
  }
  return found;
}
