import { nextTurn } from "../next-turn.ts";
import { Budget } from "./budget.ts";
import { automatonOf } from "./compile-grammar.ts";

/** Its parts go through all of the compiler. */
const SCHEMA = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 40 },
    code: { type: "string", pattern: "^([A-Z]{2,4}-)?[0-9]+(\\.\\w+)*$", maxLength: 12 },
    when: { type: "string", format: "date-time" },
    amount: { type: "number", minimum: -12.5, exclusiveMaximum: 1e6, multipleOf: 1 },
    kind: { enum: ["first", "second", "third", 4, null] },
    tags: { type: "array", items: { type: "string" }, minItems: 1, maxItems: 12 },
    next: { $ref: "#" },
    shape: {
      allOf: [
        { anyOf: [{ required: ["width"] }, { required: ["radius", "color"] }, { required: ["sides"] }] },
        { anyOf: [{ required: ["color"] }, { properties: { width: { type: "integer", minimum: 3 } } }] },
        { type: "object", properties: { radius: { type: "number" }, color: { type: "string", pattern: "red|blue" } } },
      ],
    },
  },
  required: ["name", "kind"],
  additionalProperties: false,
};
const ROUNDS = 3;

/**
 * Compiles a schema a few times, so that the first one that is asked for does not cost several times the CPU of those that
 * follow: the JavaScript engine optimises what has been used. Returns to the event loop between rounds, and ends early
 * when `signal` aborts.
 */
export async function warmUp(signal: AbortSignal): Promise<void> {
  for (let round = 0; round < ROUNDS && !signal.aborted; round++) {
    automatonOf({ type: "json_schema", schema: SCHEMA }, new Budget());
    await nextTurn();
  }
}
