import type { Budget } from "./budget.ts";
import { type ByteDfa, exploreDfa, intersectDfas } from "./byte-dfa.ts";
import { type Expr, NEVER, repeat } from "./expr.ts";
import { FORMAT_NAMES, formatExpr } from "./formats.ts";
import { GrammarError, locate } from "./grammar-error.ts";
import { inString, PLAIN_CHARACTER, STRING_CHARACTER } from "./json-text.ts";
import { regexContaining } from "./regex.ts";
import { toDfa } from "./regular.ts";
import { type Part, values } from "./schema-parts.ts";

/** Beside `pattern` or `format`, lengths become states of their own. */
const MAX_LENGTH_OF_PATTERN = 2048;

/**
 * What may stand between the quotes of a string; null: anything.
 * @throws GrammarError for patterns and formats that are not supported, or beyond the budget
 */
export function stringContent(parts: readonly Part[], budget: Budget): Expr | null {
  const [min, max] = lengths(parts);
  const patterns = parts.flatMap((part) => partPatterns(part, budget));
  const limited = min > 0 || max !== Number.POSITIVE_INFINITY;
  if (patterns.length === 0) return limited ? repeat(STRING_CHARACTER, min, max) : null;
  if (patterns.length === 1 && !limited) return patterns[0]!.expr;
  const { pointer } = patterns[0]!;
  if (min > MAX_LENGTH_OF_PATTERN || (max > MAX_LENGTH_OF_PATTERN && max !== Number.POSITIVE_INFINITY)) {
    throw new GrammarError(pointer, `beside it, lengths above ${MAX_LENGTH_OF_PATTERN} are not supported`);
  }
  return locate(pointer, () => {
    const dfas = patterns.map(({ expr }) => toDfa(expr, budget));
    if (limited) dfas.push(ofLength(min, max, budget));
    const common = dfas.reduce((a, b): ByteDfa | null => a && b && intersectDfas(a, b, budget));
    return common === null ? NEVER : { kind: "automaton", dfa: common };
  });
}

/** Strings of `min` to `max` characters, as `JSON.stringify` writes them. */
function ofLength(min: number, max: number, budget: Budget): ByteDfa | null {
  const { edges, final } = toDfa(PLAIN_CHARACTER, budget)!;
  const most = max === Number.POSITIVE_INFINITY ? min : max;
  type Within = readonly [state: number, count: number];
  return exploreDfa<Within>(
    {
      start: [0, 0],
      key: ([state, count]) => state * (most + 1) + count,
      *edges([state, count]) {
        if (state === 0 && count === max) return;
        const out = edges[state]!;
        for (let e = 0; e < out.length; e += 3) {
          const to = out[e + 2]!;
          yield [out[e]!, out[e + 1]!, final[to] ? [0, Math.min(count + 1, most)] : [to, count]];
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

function partPatterns({ schema, pointer }: Part, budget: Budget): { expr: Expr; pointer: string }[] {
  const found: { expr: Expr; pointer: string }[] = [];
  if (schema.pattern !== undefined) {
    const at = `${pointer}/pattern`;
    found.push({ expr: regexContaining(schema.pattern as string, at, budget, inString), pointer: at });
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
