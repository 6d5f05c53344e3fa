import type { Budget } from "./budget.ts";
import { dfaAccepts } from "./byte-dfa.ts";
import { GrammarError } from "./grammar-error.ts";
import type { Bound, NumberRange } from "./number-range.ts";
import { toDfa } from "./regular.ts";
import { type Part, type Type, typesOf, values } from "./schema-parts.ts";
import { stringContent } from "./schema-strings.ts";

const OF_CONTAINERS = [
  "properties",
  "required",
  "additionalProperties",
  "items",
  "prefixItems",
  "minItems",
  "maxItems",
];

/**
 * The values that `enum` and `const` leave, of those that fit the other keywords; null where there is no such keyword.
 * @throws GrammarError where an object or a list stands beside keywords about its members
 */
export function finiteValues(parts: readonly Part[], budget: Budget): unknown[] | null {
  const lists = parts.flatMap(({ schema }) => [
    ...(schema.enum === undefined ? [] : [schema.enum as unknown[]]),
    ...(schema.const === undefined ? [] : [[schema.const]]),
  ]);
  if (lists.length === 0) return null;
  for (const list of lists) budget.spend(10 * list.length);
  const [first, ...others] = lists.map((list) => new Map(list.map((value) => [canonical(value), value])));
  const types = typesOf(parts);
  return [...first!].flatMap(([key, value]) =>
    others.every((other) => other.has(key)) && fits(value, types, parts, budget) ? [value] : [],
  );
}

function fits(value: unknown, types: readonly Type[], parts: readonly Part[], budget: Budget): boolean {
  const type = typeOf(value);
  const typed = types.includes(type) || (types.includes("integer") && Number.isInteger(value));
  if (!typed) return false;
  if (typeof value === "string") {
    const content = stringContent(parts, budget);
    if (content === null) return true;
    const dfa = toDfa(content, budget);
    return dfa !== null && dfaAccepts(dfa, new TextEncoder().encode(JSON.stringify(value).slice(1, -1)));
  }
  if (typeof value === "number") return inRange(value, rangeOf(parts, !types.includes("number")));
  if (type !== "object" && type !== "array") return true;
  for (const { schema, pointer } of parts) {
    const beside = OF_CONTAINERS.find((keyword) => schema[keyword] !== undefined);
    if (beside === undefined) continue;
    throw new GrammarError(`${pointer}/${beside}`, "is not supported beside an enum or const of objects or lists");
  }
  return true;
}

/** What the parts ask of a number together. */
export function rangeOf(parts: readonly Part[], integer: boolean): NumberRange {
  const bounds = (inclusive: string, exclusive: string, tighter: (a: number, b: number) => boolean): Bound | null =>
    [
      ...values<number>(parts, inclusive).map((value) => ({ value, exclusive: false })),
      ...values<number>(parts, exclusive).map((value) => ({ value, exclusive: true })),
    ].reduce((best: Bound | null, bound) => {
      if (best === null || tighter(bound.value, best.value)) return bound;
      return bound.value === best.value && bound.exclusive ? bound : best;
    }, null);
  const multiples = values<number>(parts, "multipleOf");
  return {
    integer,
    low: bounds("minimum", "exclusiveMinimum", (a, b) => a > b),
    high: bounds("maximum", "exclusiveMaximum", (a, b) => a < b),
    multipleOf: multiples.length === 0 ? null : multiples.reduce(leastCommonMultiple),
  };
}

function inRange(value: number, { integer, low, high, multipleOf }: NumberRange): boolean {
  if (integer && !Number.isInteger(value)) return false;
  if (multipleOf !== null && value % multipleOf !== 0) return false;
  const above = low === null || value > low.value || (value === low.value && !low.exclusive);
  return above && (high === null || value < high.value || (value === high.value && !high.exclusive));
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

/** Of a JSON value; numbers are `number`. */
function typeOf(value: unknown): Type {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value as Type;
}

/** Equal texts for equal JSON values. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join()}}`;
}
