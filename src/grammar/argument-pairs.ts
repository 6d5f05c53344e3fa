import type { Budget } from "./budget.ts";
import { intersectDfas } from "./byte-dfa.ts";
import { choice, EMPTY, type Expr, type Grammar, type Member, NEVER, sequence } from "./expr.ts";
import { GrammarError } from "./grammar-error.ts";
import { type Property, schemaProperties } from "./json-schema.ts";
import type { JsonRules } from "./json-text.ts";
import { freeText, type Marker, markerExpr } from "./marker.ts";
import { toDfa } from "./regular.ts";
import { BARE, stringContent } from "./schema-strings.ts";
import { finiteValues } from "./schema-values.ts";

/** What stands around the keys and values of a call's arguments. */
export interface PairMarkers {
  readonly keyBegin: Marker;
  readonly keyEnd: Marker;
  readonly valueBegin: Marker;
  readonly valueEnd: Marker;
}

/** The form of the pairs: their markers, and what stands behind a key and behind a value. */
export interface PairForm {
  readonly markers: PairMarkers;
  readonly space: string;
}

/** Arguments of any kind: how they are read shows what they are. */
export function freePairs({ markers, space }: PairForm, budget: Budget): Expr {
  const pair = pairExpr(freeText([markers.keyEnd], budget), freeText([markers.valueEnd], budget), { markers, space });
  return { kind: "members", members: [{ expr: pair, occurs: "many" }], separator: EMPTY };
}

/**
 * Arguments that satisfy a schema, as GLM writes them: pairs of a key and a value, which is JSON or, for a property of
 * `type: "string"`, the text as it stands. Properties that the schema does not name are left out.
 * @throws GrammarError as schemaProperties, and for texts with alternatives
 */
export function schemaPairs(schema: unknown, form: PairForm, grammar: Grammar, json: JsonRules, budget: Budget): Expr {
  const members = schemaProperties(schema, grammar, json, budget).map((property): Member => {
    const value = isText(schema, property.name) ? bareText(property, form.markers.valueEnd, budget) : property.json;
    return {
      expr: pairExpr(sequence(property.name), value, form),
      occurs: property.required ? "once" : "maybe",
    };
  });
  return { kind: "members", members, separator: EMPTY };
}

function pairExpr(key: Expr, value: Expr, { markers, space }: PairForm): Expr {
  const { keyBegin, keyEnd, valueBegin, valueEnd } = markers;
  const around = (begin: Marker, inner: Expr, end: Marker) =>
    sequence(markerExpr(begin), inner, markerExpr(end), space);
  return sequence(around(keyBegin, key, keyEnd), around(valueBegin, value, valueEnd));
}

/** As the reader of calls decides: by what the schema itself says of the property. */
function isText(schema: unknown, name: string): boolean {
  const { properties = {} } = schema as { properties?: Readonly<Record<string, { type?: unknown } | undefined>> };
  return Object.hasOwn(properties, name) && properties[name]?.type === "string";
}

function bareText({ name, parts }: Property, end: Marker, budget: Budget): Expr {
  if (parts === null) {
    const place = `/properties/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    throw new GrammarError(
      place,
      "alternatives of a string are not supported, since this model writes it without quotes",
    );
  }
  const finite = finiteValues(parts, budget);
  if (finite !== null) return choice(...finite.map(String).filter((text) => !text.includes(end.text)));
  const free = freeText([end], budget);
  const content = stringContent(parts, budget, BARE);
  if (content === null || free.kind !== "automaton") return free;
  const dfa = toDfa(content, budget);
  const both = dfa && intersectDfas(dfa, free.dfa, budget);
  return both === null ? NEVER : { kind: "automaton", dfa: both };
}
