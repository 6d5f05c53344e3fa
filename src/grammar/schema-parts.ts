import type { Budget } from "./budget.ts";
import { GrammarError } from "./grammar-error.ts";
import { ANNOTATIONS, isKnownKeyword } from "./schema-keywords.ts";

/** A schema and where it stands in the whole: a JSON pointer. */
export interface Located {
  readonly schema: unknown;
  readonly pointer: string;
}

/** A schema that is an object, every keyword of it known and of the right kind. */
export interface Part {
  readonly schema: Readonly<Record<string, unknown>>;
  readonly pointer: string;
}

/** Alternatives of which one must fit, with `exclusive` exactly one. */
export interface Group {
  readonly options: readonly Located[];
  readonly exclusive: boolean;
  readonly pointer: string;
}

/** What all of several schemas ask for together; `$ref` and `allOf` are followed, `anyOf` and `oneOf` are groups. */
export interface Conjunction {
  readonly parts: readonly Part[];
  readonly groups: readonly Group[];
  /** One of them was `false`. */
  readonly never: boolean;
}

export const TYPES = ["object", "array", "string", "number", "integer", "boolean", "null"] as const;
export type Type = (typeof TYPES)[number];

/** Of objects and lists of any kind in the schema. */
const MAX_DEPTH = 400;

/** Less than what compiling any value takes: a schema that is too large is refused before anything is made of it. */
const STEPS_A_VALUE = 8;

const SCHEMA_MAPS = ["properties", "$defs", "definitions"];
const SCHEMA_LISTS = ["anyOf", "oneOf", "allOf", "prefixItems"];
const COUNTS = ["minItems", "maxItems", "minLength", "maxLength"];
const NUMBERS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];

/** Reads schemas that stand inside one root. */
export class SchemaReader {
  readonly #root: unknown;
  readonly #budget: Budget;
  readonly #checked = new Set<object>();

  constructor(root: unknown, budget: Budget) {
    checkSize(root, budget);
    this.#root = root;
    this.#budget = budget;
  }

  /** @throws GrammarError for what is wrong or unsupported, and `$ref`s that only lead back to themselves */
  conjunction(schemas: readonly Located[]): Conjunction {
    const parts = new Map<object, Part>();
    const groups: Group[] = [];
    let never = false;
    const visit = ({ schema, pointer }: Located, path: readonly object[]): void => {
      this.#budget.spend(10);
      if (schema === true) return;
      if (schema === false) {
        never = true;
        return;
      }
      if (!isObject(schema)) throw new GrammarError(pointer, "want a schema: an object, true or false");
      if (path.includes(schema)) throw new GrammarError(pointer, "this $ref only leads back to itself");
      if (path.length > 100) throw new GrammarError(pointer, "more than 100 $ref and allOf inside one another");
      if (parts.has(schema)) return;
      this.#check({ schema, pointer });
      parts.set(schema, { schema, pointer });
      const inside = [...path, schema];
      if (schema.$ref !== undefined) visit(this.#resolve(schema.$ref as string, pointer), inside);
      for (const located of children({ schema, pointer }, "allOf")) visit(located, inside);
      for (const name of ["anyOf", "oneOf"]) {
        if (schema[name] === undefined) continue;
        const options = children({ schema, pointer }, name);
        groups.push({ options, exclusive: name === "oneOf", pointer: `${pointer}/${name}` });
      }
    };
    for (const located of schemas) visit(located, []);
    return { parts: [...parts.values()], groups, never };
  }

  /** Where a schema that is a `$ref` and nothing else leads; other schemas as they are. @throws GrammarError */
  target(located: Located): Located {
    const seen = new Set<unknown>();
    let { schema, pointer } = located;
    while (isObject(schema) && typeof schema.$ref === "string" && onlyRefers(schema)) {
      if (seen.has(schema)) throw new GrammarError(located.pointer, "this $ref only leads back to itself");
      seen.add(schema);
      ({ schema, pointer } = this.#resolve(schema.$ref, pointer));
    }
    return seen.size === 0 ? located : { schema, pointer };
  }

  #resolve(ref: string, pointer: string): Located {
    const at = `${pointer}/$ref`;
    if (ref !== "#" && !ref.startsWith("#/")) {
      throw new GrammarError(
        at,
        `${JSON.stringify(ref)} is not supported: want # or a JSON pointer such as #/$defs/name`,
      );
    }
    let schema = this.#root;
    for (const step of ref.split("/").slice(1)) {
      const key = decoded(step).replaceAll("~1", "/").replaceAll("~0", "~");
      const within: unknown = schema;
      const found = typeof within === "object" && within !== null && Object.hasOwn(within, key);
      if (!found) throw new GrammarError(at, `${JSON.stringify(ref)} does not exist`);
      schema = (within as Record<string, unknown>)[key];
    }
    return { schema, pointer: ref.slice(1) };
  }

  /** @throws GrammarError for keywords that are unknown or whose value is of the wrong kind */
  #check({ schema, pointer }: Part): void {
    if (this.#checked.has(schema)) return;
    this.#checked.add(schema);
    for (const [name, value] of Object.entries(schema)) {
      this.#budget.spend(1);
      const at = `${pointer}/${escaped(name)}`;
      if ((name === "uniqueItems" && value === false) || (name === "$id" && pointer === "")) continue;
      if (!isKnownKeyword(name)) throw new GrammarError(at, `the keyword ${JSON.stringify(name)} is not supported`);
      const wrong = wrongKind(name, value);
      if (wrong !== null) throw new GrammarError(at, wrong);
    }
  }
}

/** Without recursion, so that what comes after may use it. @throws GrammarError for a schema that is too large or deep */
function checkSize(root: unknown, budget: Budget): void {
  const work: { value: unknown; depth: number }[] = [{ value: root, depth: 0 }];
  for (let item = work.pop(); item !== undefined; item = work.pop()) {
    const { value, depth } = item;
    if (typeof value !== "object" || value === null) continue;
    if (depth > MAX_DEPTH) throw new GrammarError("", `the schema is nested more than ${MAX_DEPTH} deep`);
    const inside = Object.values(value);
    budget.spend(inside.length * STEPS_A_VALUE);
    for (const child of inside) work.push({ value: child, depth: depth + 1 });
  }
}

/** What a keyword's value must be, where it is not. */
function wrongKind(name: string, value: unknown): string | null {
  const isCount = Number.isSafeInteger(value) && (value as number) >= 0;
  if (COUNTS.includes(name)) return isCount ? null : "want an integer >= 0";
  if (NUMBERS.includes(name)) return Number.isFinite(value) ? null : "want a number";
  if (SCHEMA_MAPS.includes(name)) return isObject(value) ? null : "want an object of schemas";
  if (SCHEMA_LISTS.includes(name)) return Array.isArray(value) && value.length > 0 ? null : "want a list of schemas";
  switch (name) {
    case "type": {
      const types = Array.isArray(value) ? value : [value];
      if (types.length > 0 && types.every((t) => TYPES.includes(t as Type))) return null;
      return `want one of ${TYPES.join(", ")}, or a list of them`;
    }
    case "enum":
      return Array.isArray(value) && value.length > 0 ? null : "want a list of values";
    case "required":
      return Array.isArray(value) && value.every((v) => typeof v === "string") ? null : "want a list of names";
    case "items":
      return Array.isArray(value) ? "a list of schemas is not supported here; use prefixItems" : null;
    case "multipleOf":
      if (isCount && (value as number) >= 1 && (value as number) <= 1000) return null;
      return "only integers from 1 to 1000 are supported";
    case "$ref":
    case "pattern":
    case "format":
      return typeof value === "string" ? null : "want a string";
    default:
      return null;
  }
}

/** The schemas of a keyword that is a list of them; none where it is missing. */
export function children({ schema, pointer }: Part, keyword: string): Located[] {
  const list = (schema[keyword] ?? []) as readonly unknown[];
  return list.map((child, i) => ({ schema: child, pointer: `${pointer}/${keyword}/${i}` }));
}

/** The schema of a keyword; none where it is missing. */
export function child({ schema, pointer }: Part, keyword: string): Located[] {
  return schema[keyword] === undefined ? [] : [{ schema: schema[keyword], pointer: `${pointer}/${keyword}` }];
}

/** The types that all parts allow; `integer` only where `number` is not. */
export function typesOf(parts: readonly Part[]): Type[] {
  let types: readonly Type[] = TYPES.filter((type) => type !== "integer");
  for (const { schema } of parts) {
    if (schema.type === undefined) continue;
    const allowed = (Array.isArray(schema.type) ? schema.type : [schema.type]) as readonly Type[];
    const narrowed = types.flatMap((type): Type[] => {
      if (allowed.includes(type)) return [type];
      if (type === "number" && allowed.includes("integer")) return ["integer"];
      return type === "integer" && allowed.includes("number") ? ["integer"] : [];
    });
    types = [...new Set(narrowed)];
  }
  return [...types];
}

/** What the parts say of an object's property together; empty: anything. */
export function propertySchemas(parts: readonly Part[], name: string): Located[] {
  return parts.flatMap((part) => {
    const properties = (part.schema.properties ?? {}) as Record<string, unknown>;
    if (!Object.hasOwn(properties, name)) return child(part, "additionalProperties");
    return [{ schema: properties[name], pointer: `${part.pointer}/properties/${escaped(name)}` }];
  });
}

export function requiredNames(parts: readonly Part[]): Set<string> {
  return new Set(parts.flatMap(({ schema }) => (schema.required ?? []) as string[]));
}

/** Values of a keyword in all parts that have it. */
export function values<T>(parts: readonly Part[], keyword: string): T[] {
  return parts.flatMap(({ schema }) => (schema[keyword] === undefined ? [] : [schema[keyword] as T]));
}

function onlyRefers(schema: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(schema).every((name) => name === "$ref" || name === "$defs" || ANNOTATIONS.includes(name));
}

function escaped(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function decoded(step: string): string {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
