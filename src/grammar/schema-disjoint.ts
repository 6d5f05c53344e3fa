import type { Budget } from "./budget.ts";
import {
  type Conjunction,
  isObject,
  type Located,
  type Part,
  propertySchemas,
  requiredNames,
  type SchemaReader,
  typesOf,
} from "./schema-parts.ts";
import { canonical, finiteValues } from "./schema-values.ts";

/** Properties inside properties that are looked at. */
const MAX_DEPTH = 4;

/** Whether it is certain that no value fits both; for `oneOf`, whose alternatives are otherwise written as they come. */
export class Disjointness {
  readonly #reader: SchemaReader;
  readonly #budget: Budget;

  constructor(reader: SchemaReader, budget: Budget) {
    this.#reader = reader;
    this.#budget = budget;
  }

  certain(a: readonly Located[], b: readonly Located[], depth = 0): boolean {
    const [left, right] = [this.#reader.conjunction(a), this.#reader.conjunction(b)];
    if (left.never || right.never) return true;
    if (!commonType(left.parts, right.parts)) return true;
    const [some, others] = [this.#finite(left), this.#finite(right)];
    if (some && others && ![...some].some((value) => others.has(value))) return true;
    if (depth >= MAX_DEPTH || !onlyObjects(left.parts) || !onlyObjects(right.parts)) return false;
    // Where one side requires a property, it is there; then no value of it may fit both.
    const present = new Set([...requiredNames(left.parts), ...requiredNames(right.parts)]);
    return [...present].some((name) =>
      this.certain(propertySchemas(left.parts, name), propertySchemas(right.parts, name), depth + 1),
    );
  }

  #finite({ parts }: Conjunction): Set<string> | null {
    if (parts.some(({ schema }) => [schema.enum, schema.const].flat().some((value) => isObject(value)))) return null;
    const found = finiteValues(parts, this.#budget);
    return found && new Set(found.map(canonical));
  }
}

function commonType(a: readonly Part[], b: readonly Part[]): boolean {
  const numbers = ["number", "integer"];
  const [left, right] = [typesOf(a), typesOf(b)] as [readonly string[], readonly string[]];
  return left.some(
    (type) => right.includes(type) || (numbers.includes(type) && right.some((t) => numbers.includes(t))),
  );
}

function onlyObjects(parts: readonly Part[]): boolean {
  const types = typesOf(parts);
  return types.length === 1 && types[0] === "object";
}
