import * as jinja from "@huggingface/jinja";
import { TextError } from "../errors.ts";

const MAX_TEMPLATE = 256 * 1024; // the longest released one has about 20 KB
const MAX_OUTPUT = 16 * 1024 * 1024; // UTF-16 units, of any string on the way too
const MAX_STEPS = 2_000_000; // evaluated nodes and rounds of loops; a conversation of 1000 messages takes about 100,000
const MAX_RANGE = 100_000; // as Jinja2's sandbox

/** The parts of the library that are used here: its own declarations cannot be resolved by NodeNext. */
interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}
interface Value {
  readonly type: string;
  readonly value: unknown;
}
interface Scope {
  /** Declares a variable; returns the JSON value as the template will see it. */
  set(name: string, value: unknown): Value;
}
interface BaseInterpreter {
  run(program: Node): Value;
  evaluate(node: Node | undefined, scope: Scope): Value;
}
const { Environment, Interpreter, parse, tokenize } = jinja as unknown as {
  Environment: new () => Scope;
  Interpreter: new (scope: Scope) => BaseInterpreter;
  parse(tokens: unknown): Node;
  tokenize(source: string, options: { trim_blocks: boolean; lstrip_blocks: boolean }): unknown;
};

/** A node that stands for a value already computed, so that no operand is evaluated twice. */
const EVALUATED = "Evaluated";

/** A node that gives no text, put into the body of loops so that a round without a body is a step too. */
const ROUND: Node = { type: "Comment" };

/**
 * A chat template: Jinja with the settings of Hugging Face's apply_chat_template (trim_blocks, lstrip_blocks, loop
 * controls, `raise_exception`, `strftime_now`, a `tojson` that escapes nothing). Templates come from model files, so they
 * see only the values handed over, never JavaScript objects or their prototypes, and size and work are limited. The limits
 * do not bound time well enough for a server: see TemplateWorker.
 */
export class JinjaTemplate {
  readonly #program: Node;
  readonly #maxSteps: number;

  /**
   * @param maxSteps after how many evaluated expressions and rounds of loops a rendering is ended
   * @throws TextError for a template that is too long or not Jinja
   */
  constructor(source: string, maxSteps = MAX_STEPS) {
    this.#maxSteps = maxSteps;
    if (source.length > MAX_TEMPLATE)
      throw new TextError(`chat template of ${source.length} characters; the limit is ${MAX_TEMPLATE}`);
    try {
      this.#program = parse(tokenize(source, { trim_blocks: true, lstrip_blocks: true }));
    } catch (cause) {
      throw new TextError(`chat template cannot be parsed: ${messageOf(cause)}`, { cause });
    }
  }

  /**
   * @param variables JSON values by name
   * @throws TextError when the template raises an error, asks for something undefined or goes beyond a limit
   */
  render(variables: Readonly<Record<string, unknown>>): string {
    try {
      const scope = new Environment();
      for (const [name, value] of Object.entries({ ...globals(), ...variables })) scope.set(name, value);
      return String(new ChatInterpreter(scope, this.#maxSteps).run(this.#program).value);
    } catch (cause) {
      throw new TextError(`chat template: ${messageOf(cause)}`, { cause });
    }
  }
}

function messageOf(error: unknown): string {
  if (error instanceof RangeError) return "nested too deeply"; // the stack ran out
  return error instanceof Error ? error.message : String(error);
}

function globals(): Record<string, unknown> {
  return {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception: (message: unknown) => {
      throw new TextError(String(message));
    },
    range: (...limits: number[]) => range(...limits),
    strftime_now: (format: string) => strftime(new Date(), String(format)),
  };
}

/** The library's interpreter, as strict as Jinja2 where leniency would garble a prompt without a word. */
class ChatInterpreter extends Interpreter {
  readonly #maxSteps: number;
  #steps = 0;

  constructor(scope: Scope, maxSteps: number) {
    super(scope);
    this.#maxSteps = maxSteps;
  }

  override evaluate(node: Node | undefined, scope: Scope): Value {
    if (++this.#steps > this.#maxSteps) throw new Error(`stopped after ${this.#maxSteps} steps`);
    const value = node?.type === EVALUATED ? (node.value as Value) : this.#evaluate(node, scope);
    if (value?.type === "StringValue" && (value.value as string).length > MAX_OUTPUT)
      throw new Error(`more than ${MAX_OUTPUT} characters of output`);
    return value;
  }

  #evaluate(node: Node | undefined, scope: Scope): Value {
    const operand = (name: string): Node => ({
      type: EVALUATED,
      value: this.evaluate(node?.[name] as Node, scope),
    });
    const kind = (operand: Node): string => (operand.value as Value).type;
    switch (node?.type) {
      case "BinaryExpression": {
        if ((node.operator as { value: string }).value !== "+") break;
        const left = operand("left");
        const right = operand("right");
        // Elsewhere "a" + [1] would be "a[object Object]" or the like.
        if ((kind(left) === "StringValue") !== (kind(right) === "StringValue"))
          throw new Error(`cannot add ${nameOf(kind(left))} and ${nameOf(kind(right))}`);
        return super.evaluate({ ...node, left, right }, scope);
      }
      case "MemberExpression": {
        const object = operand("object");
        if (kind(object) === "UndefinedValue") throw new Error(`${describe(node.object as Node)} is undefined`);
        return super.evaluate({ ...node, object }, scope);
      }
      case "For":
        return super.evaluate({ ...node, body: [ROUND, ...(node.body as Node[])] }, scope);
      case "CallExpression": {
        const stripped = this.#strip(node, scope);
        if (stripped !== null) return stripped;
        break;
      }
      case "FilterExpression": {
        if ((node.filter as Node).value !== "trim") break;
        const text = operand("operand");
        if (kind(text) !== "StringValue") break;
        return toValue(strip((text.value as Value).value as string, null, true, true));
      }
    }
    return super.evaluate(node, scope);
  }

  /** Python's str.strip, lstrip and rstrip, which take the characters to strip; null for another call. */
  #strip(node: Node, scope: Scope): Value | null {
    const callee = node.callee as Node;
    const method = callee.type === "MemberExpression" && !callee.computed ? (callee.property as Node).value : null;
    if (method !== "strip" && method !== "lstrip" && method !== "rstrip") return null;
    const object = this.evaluate(callee.object as Node, scope);
    if (object.type !== "StringValue") throw new Error(`${nameOf(object.type)} has no ${method}`);
    const [chars] = (node.args as Node[]).map((argument) => this.evaluate(argument, scope));
    const set = chars === undefined || chars.type === "NullValue" ? null : String(chars.value);
    return toValue(strip(object.value as string, set, method !== "rstrip", method !== "lstrip"));
  }
}

function toValue(value: unknown): Value {
  return new Environment().set("value", value);
}

const NAMES: Readonly<Record<string, string>> = { NullValue: "none", UndefinedValue: "an undefined value" };

function nameOf(type: string): string {
  return NAMES[type] ?? `a value of type ${type.replace(/Value$/, "").toLowerCase()}`;
}

function describe(node: Node): string {
  if (node.type === "Identifier") return `'${node.value}'`;
  const property = node.type === "MemberExpression" ? (node.property as Node).value : undefined;
  return property === undefined ? "a value" : `'${property}'`;
}

function strip(text: string, chars: string | null, start: boolean, end: boolean): string {
  const unwanted = chars === null ? null : new Set(chars);
  // What Python's str.isspace says; JavaScript's trim takes U+FEFF too and leaves U+0085 and U+001C to U+001F.
  const isSpace = (char: string) => /\p{White_Space}/u.test(char) || (char >= "\u001c" && char <= "\u001f");
  const drop = (char: string) => unwanted?.has(char) ?? isSpace(char);
  const all = Array.from(text);
  let from = 0;
  let to = all.length;
  if (start) while (from < to && drop(all[from]!)) from++;
  if (end) while (to > from && drop(all[to - 1]!)) to--;
  return all.slice(from, to).join("");
}

function range(...limits: number[]): number[] {
  const [start, stop, step] = limits.length < 2 ? [0, limits[0], 1] : [limits[0], limits[1], limits[2] ?? 1];
  if (![start, stop, step].every(Number.isInteger) || step === 0)
    throw new Error("range() wants integers, the step not 0");
  const count = Math.max(0, Math.ceil((stop! - start!) / step!));
  if (count > MAX_RANGE) throw new Error(`range() of ${count} items; the limit is ${MAX_RANGE}`);
  return Array.from({ length: count }, (_, i) => start! + i * step!);
}

/** Python's strftime in the C locale, local time. */
function strftime(date: Date, format: string): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const name = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat("en-US", options).format(date);
  const parts: Readonly<Record<string, () => string>> = {
    Y: () => String(date.getFullYear()),
    y: () => two(date.getFullYear() % 100),
    m: () => two(date.getMonth() + 1),
    d: () => two(date.getDate()),
    H: () => two(date.getHours()),
    I: () => two(date.getHours() % 12 || 12),
    M: () => two(date.getMinutes()),
    S: () => two(date.getSeconds()),
    p: () => (date.getHours() < 12 ? "AM" : "PM"),
    A: () => name({ weekday: "long" }),
    a: () => name({ weekday: "short" }),
    B: () => name({ month: "long" }),
    b: () => name({ month: "short" }),
    "%": () => "%",
  };
  return format.replace(/%([a-zA-Z%])/g, (directive, letter: string) => parts[letter]?.() ?? directive);
}
