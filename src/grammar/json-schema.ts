import type { Budget } from "./budget.ts";
import { type ByteDfa, subtractDfa } from "./byte-dfa.ts";
import {
  choice,
  EMPTY,
  type Expr,
  type Grammar,
  type Member,
  NEVER,
  optional,
  repeat,
  sequence,
  text,
} from "./expr.ts";
import { GrammarError } from "./grammar-error.ts";
import {
  BOOLEAN,
  COLON,
  COMMA,
  INTEGER,
  inString,
  type JsonRules,
  jsonLiteral,
  NULL,
  NUMBER,
  PLAIN_CHARACTER,
} from "./json-text.ts";
import { isExact, numberRange } from "./number-range.ts";
import { toDfa } from "./regular.ts";
import { Disjointness } from "./schema-disjoint.ts";
import {
  child,
  children,
  type Group,
  type Located,
  type Part,
  propertySchemas,
  requiredNames,
  SchemaReader,
  type Type,
  typesOf,
  values,
} from "./schema-parts.ts";
import { stringContent } from "./schema-strings.ts";
import { finiteValues, rangeOf } from "./schema-values.ts";

/** Schemas inside schemas, `$ref`s apart. */
const MAX_DEPTH = 100;
const APPLICATORS = ["anyOf", "oneOf", "allOf", "$ref"];
/** Each item that is counted is a state. */
const MAX_ITEMS = 2048;

/**
 * The JSON texts of a schema (draft 2020-12; `schema-keywords.ts` has what is supported). Objects have their properties in
 * the schema's order, then further ones; there is at most one space behind `:` and `,`.
 * @param json the grammar's rules of JSON
 * @throws GrammarError that names the JSON pointer of what is wrong, unsupported or beyond the limits
 */
export function schemaExpr(schema: unknown, grammar: Grammar, json: JsonRules, budget: Budget): Expr {
  return new SchemaCompiler(schema, grammar, json, budget).compile();
}

/** A property of an object that is not written as JSON itself. */
export interface Property {
  readonly name: string;
  readonly required: boolean;
  /** What is asked of its value; null where that has alternatives. */
  readonly parts: readonly Part[] | null;
  /** Its values as JSON. */
  readonly json: Expr;
}

/**
 * The properties that a schema of an object names, in its order.
 * @throws GrammarError as `schemaExpr`, and where the schema has alternatives or leaves only some objects
 */
export function schemaProperties(schema: unknown, grammar: Grammar, json: JsonRules, budget: Budget): Property[] {
  return new SchemaCompiler(schema, grammar, json, budget).properties();
}

class SchemaCompiler {
  readonly #grammar: Grammar;
  readonly #json: JsonRules;
  readonly #budget: Budget;
  readonly #reader: SchemaReader;
  readonly #disjointness: Disjointness;
  readonly #root: Located;
  /** Rules by the schemas that they satisfy together. */
  readonly #rules = new Map<string, Expr>();
  readonly #ids = new Map<unknown, number>();
  /** Made when the first object needs it. */
  #anyKey: ByteDfa | null = null;
  #depth = 0;

  constructor(schema: unknown, grammar: Grammar, json: JsonRules, budget: Budget) {
    this.#grammar = grammar;
    this.#json = json;
    this.#budget = budget;
    this.#root = { schema, pointer: "" };
    this.#reader = new SchemaReader(schema, budget);
    this.#disjointness = new Disjointness(this.#reader, budget);
  }

  compile(): Expr {
    return this.#value([this.#root]);
  }

  properties(): Property[] {
    const { parts, groups, never } = this.#reader.conjunction([this.#root]);
    const alternatives =
      groups[0]?.pointer ?? parts.find(({ schema }) => "enum" in schema || "const" in schema)?.pointer;
    if (never || alternatives !== undefined || !typesOf(parts).includes("object"))
      throw new GrammarError(
        alternatives ?? "",
        "want one object by its properties, since this model writes them one by one",
      );
    const required = requiredNames(parts);
    return namesOf(parts).map((name) => {
      const schemas = propertySchemas(parts, name);
      const own = this.#reader.conjunction(schemas);
      const plain = own.groups.length === 0 && !own.never;
      return { name, required: required.has(name), parts: plain ? own.parts : null, json: this.#value(schemas) };
    });
  }

  /** Values that satisfy all schemas. */
  #value(schemas: readonly Located[]): Expr {
    this.#budget.spend(10);
    const targets = schemas.map((located) => this.#reader.target(located));
    const asking = targets.filter(({ schema }) => schema !== true);
    if (asking.length === 0) return this.#json.value;
    const key = [...new Set(asking.map(({ schema }) => this.#id(schema)))].sort((a, b) => a - b).join();
    const known = this.#rules.get(key);
    if (known !== undefined) return known;
    const { pointer } = asking[0]!;
    if (++this.#depth > MAX_DEPTH) throw new GrammarError(pointer, `schemas nested more than ${MAX_DEPTH} deep`);
    // What is referred to is called, what stands in one place only stands there.
    const rule = this.#grammar.add(pointer, { inline: targets.every((target, i) => target === schemas[i]) });
    const call: Expr = { kind: "rule", rule };
    this.#rules.set(key, call);
    const { parts, groups, never } = this.#reader.conjunction(asking);
    const expr = never ? NEVER : this.#conjunction(parts, groups);
    this.#grammar.rules[rule]!.expr = expr;
    this.#depth--;
    return call;
  }

  #id(schema: unknown): number {
    const id = this.#ids.get(schema) ?? this.#ids.size;
    this.#ids.set(schema, id);
    return id;
  }

  /** One alternative of each group after the other is joined to the parts. */
  #conjunction(parts: readonly Part[], [group, ...others]: readonly Group[], open: readonly string[] = []): Expr {
    this.#budget.spend(20 + 15 * parts.length);
    if (group === undefined) return this.#leaf(parts);
    const { pointer, options, exclusive } = group;
    if (open.includes(pointer)) throw new GrammarError(pointer, "a $ref in it only leads back to it");
    if (open.length > MAX_DEPTH)
      throw new GrammarError(pointer, `more than ${MAX_DEPTH} anyOf and oneOf in one another`);
    if (exclusive) this.#checkDisjoint(parts, group);
    const exprs = options.map((option) => {
      const more = this.#reader.conjunction([option]);
      if (more.never) return NEVER;
      const joined = new Map([...parts, ...more.parts].map((part) => [part.schema, part]));
      return this.#conjunction([...joined.values()], [...others, ...more.groups], [...open, pointer]);
    });
    return choice(...exprs);
  }

  #checkDisjoint(parts: readonly Part[], { options, pointer }: Group): void {
    // What has been followed already must not be followed again.
    const own = parts.map(({ schema, pointer }) => ({ pointer, schema: withoutApplicators(schema) }));
    for (const [i, a] of options.entries()) {
      for (const b of options.slice(i + 1)) {
        if (this.#disjointness.certain([...own, a], [...own, b])) continue;
        throw new GrammarError(
          pointer,
          "its alternatives may overlap, which is not supported; use anyOf, or give each a required property with another const",
        );
      }
    }
  }

  #leaf(parts: readonly Part[]): Expr {
    const finite = finiteValues(parts, this.#budget);
    if (finite !== null) return choice(...finite.map(jsonLiteral));
    return choice(...typesOf(parts).map((type) => this.#typed(type, parts)));
  }

  #typed(type: Type, parts: readonly Part[]): Expr {
    switch (type) {
      case "null":
        return NULL;
      case "boolean":
        return BOOLEAN;
      case "string": {
        const content = stringContent(parts, this.#budget);
        if (content === null) return this.#json.string;
        const string = sequence('"', content, '"');
        // A rule of its own, so that an error names the pattern.
        const pattern = parts.find(({ schema }) => schema.pattern !== undefined);
        return pattern ? this.#grammar.define(`${pattern.pointer}/pattern`, string) : string;
      }
      case "integer":
      case "number":
        return this.#number(type === "integer", parts);
      case "array":
        return this.#array(parts);
      case "object":
        return this.#object(parts);
    }
  }

  #number(integer: boolean, parts: readonly Part[]): Expr {
    const range = rangeOf(parts, integer);
    const { low, high, multipleOf } = range;
    if (low === null && high === null && multipleOf === null) return integer ? INTEGER : NUMBER;
    for (const { schema, pointer } of parts) {
      for (const name of ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]) {
        if (schema[name] === undefined || isExact(schema[name] as number)) continue;
        throw new GrammarError(`${pointer}/${name}`, `${schema[name]} has more than 15 digits, which is not supported`);
      }
    }
    const dfa = numberRange(range, this.#budget);
    return dfa === null ? NEVER : { kind: "automaton", dfa };
  }

  #object(parts: readonly Part[]): Expr {
    const required = requiredNames(parts);
    const names = namesOf(parts);
    this.#budget.spend(names.length * (20 + 2 * parts.length));
    const members = names.map((name): Member => {
      const value = this.#value(propertySchemas(parts, name));
      return { expr: sequence(JSON.stringify(name), COLON, value), occurs: required.has(name) ? "once" : "maybe" };
    });
    const further = parts.flatMap((part) => child(part, "additionalProperties"));
    if (!further.some(({ schema }) => schema === false)) {
      members.push({ expr: sequence(this.#otherKey(names), COLON, this.#value(further)), occurs: "many" });
    }
    return sequence("{", { kind: "members", members, separator: COMMA }, "}");
  }

  /** Any key but these. */
  #otherKey(names: readonly string[]): Expr {
    if (names.length === 0) return this.#json.string;
    this.#anyKey ??= toDfa(repeat(PLAIN_CHARACTER, 0), this.#budget)!;
    const taken = toDfa(choice(...names.map((name) => inString(text(name)))), this.#budget)!;
    const dfa = subtractDfa(this.#anyKey, taken, this.#budget)!;
    return sequence('"', { kind: "automaton", dfa }, '"');
  }

  #array(parts: readonly Part[]): Expr {
    const min = Math.max(0, ...values<number>(parts, "minItems"));
    const max = Math.min(Number.POSITIVE_INFINITY, ...values<number>(parts, "maxItems"));
    for (const part of parts) {
      for (const name of ["minItems", "maxItems"]) {
        if (((part.schema[name] ?? 0) as number) <= MAX_ITEMS) continue;
        throw new GrammarError(`${part.pointer}/${name}`, `the limit is ${MAX_ITEMS}`);
      }
    }
    const prefixes = parts.map((part) => children(part, "prefixItems"));
    const length = Math.max(0, ...prefixes.map((list) => list.length));
    if (length > MAX_DEPTH) {
      const { pointer } = parts.find((part) => children(part, "prefixItems").length === length)!;
      throw new GrammarError(`${pointer}/prefixItems`, `the limit is ${MAX_DEPTH} schemas`);
    }
    const items = (i: number) =>
      this.#value(parts.flatMap((part, p) => (prefixes[p]![i] ? [prefixes[p]![i]!] : child(part, "items"))));
    const rest = items(length);
    // From the last item to the first: each may be the end where the least number has been reached.
    const following = Math.max(0, min - length);
    let tail: Expr = EMPTY;
    if (max > length && length > 0) tail = repeat(sequence(COMMA, rest), following, max - length);
    else if (max > length) {
      const all = sequence(rest, repeat(sequence(COMMA, rest), Math.max(0, following - 1), max - 1));
      tail = following === 0 ? optional(all) : all;
    } else if (following > 0) return NEVER;
    for (let i = Math.min(length, max) - 1; i >= 0; i--) {
      tail = sequence(i > 0 ? COMMA : EMPTY, items(i), tail);
      if (i >= min) tail = optional(tail);
    }
    return max < min ? NEVER : sequence("[", tail, "]");
  }
}

/** All properties that are named: as they stand, then those that are only required. */
function namesOf(parts: readonly Part[]): string[] {
  const named = parts.flatMap(({ schema }) => Object.keys((schema.properties ?? {}) as object));
  return [...new Set([...named, ...requiredNames(parts)])];
}

function withoutApplicators(schema: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(schema).filter(([name]) => !APPLICATORS.includes(name)));
}
