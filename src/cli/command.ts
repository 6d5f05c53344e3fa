import { formatBytes } from "./bytes.ts";
import type { Interrupts } from "./interrupts.ts";
import type { Io } from "./io.ts";
import type { Output } from "./output.ts";

/** A named argument, `--like-this`. Parser, help and docs/CLI.md are made from it. */
export type Arg = TextArg | ChoiceArg | NumberArg | BytesArg | FlagArg | ListArg;

interface ArgBase {
  readonly help: string;
  /** Environment variable that is read where the argument is not given: of a list with commas, of a flag true or false. */
  readonly env?: string;
  /** The value is not for other eyes: --print-config shows that there is one. */
  readonly secret?: true;
}

interface TakesValue extends ArgBase {
  /** Stands for the value in the help, e.g. FILE. Default: the name in capitals. */
  readonly value?: string;
  readonly required?: true;
}

export interface TextArg extends TakesValue {
  readonly type: "text";
  readonly default?: string;
}

export interface ChoiceArg extends TakesValue {
  readonly type: "choice";
  readonly values: readonly string[];
  readonly default?: string;
}

export interface NumberArg extends TakesValue {
  readonly type: "integer" | "number";
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
  /** `min` itself is refused. */
  readonly aboveMin?: true;
}

/** A size such as 8GB, in bytes; of the type number. */
export interface BytesArg extends TakesValue {
  readonly type: "bytes";
  readonly default?: number;
  /** Large enough that no number fits which somebody means as megabytes. */
  readonly min: number;
  readonly max?: number;
}

export interface FlagArg extends ArgBase {
  readonly type: "flag";
  /** `--no-x` says false; neither leaves it undefined. */
  readonly negatable?: true;
}

/** May be given several times. */
export interface ListArg extends ArgBase {
  readonly type: "list";
  /** Items may have names, NAME=ITEM: a configuration file may also say one as a string, or several as an object. */
  readonly named?: true;
  readonly value?: string;
}

/** An argument without a name, told by its place. */
export interface Operand {
  readonly help: string;
  readonly required?: true;
  /** Takes all that follow; only the last operand may. */
  readonly rest?: true;
}

export type TakesValueArg = TextArg | ChoiceArg | NumberArg | BytesArg;

export type Args = Readonly<Record<string, Arg>>;
export type Operands = Readonly<Record<string, Operand>>;

type Given<D, T> = D extends { readonly default: unknown } | { readonly required: true } ? T : T | undefined;

type ArgValue<A extends Arg> = A extends FlagArg
  ? A extends { readonly negatable: true }
    ? boolean | undefined
    : boolean
  : A extends ListArg
    ? readonly string[]
    : Given<A, A extends ChoiceArg ? A["values"][number] : A extends TextArg ? string : number>;

type OperandValue<O extends Operand> = O extends { readonly rest: true } ? readonly string[] : Given<O, string>;

export type Values<A extends Args, O extends Operands> = { readonly [K in keyof A]: ArgValue<A[K]> } & {
  readonly [K in keyof O]: OperandValue<O[K]>;
};

/** What a command runs with. */
export interface Invocation<V> {
  readonly args: V;
  readonly io: Io;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly interrupts: Interrupts;
  /** Aborts when the user wants the command to end. */
  readonly signal: AbortSignal;
}

export interface CommandDefinition<A extends Args, O extends Operands> {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** What the summary does not say; in plain text, lines as they are to be shown. */
  readonly description?: string;
  readonly operands?: O;
  readonly args: A;
  /** Its arguments may also stand in a configuration file (config-file.ts); it must have the argument `config`. */
  readonly readsConfig?: true;
  readonly examples: readonly Example[];
  /** Meaning by exit code. */
  readonly exits: Readonly<Record<number, string>>;
  /** Resolves where the exit code is 0; the class of an error picks another (exit-codes.ts). */
  run(invocation: Invocation<Values<A, O>>): Promise<void>;
}

export interface Example {
  readonly command: string;
  readonly what: string;
}

/** A command of any arguments. */
export type Command = CommandDefinition<Args, Operands>;

/** Keeps the types of the arguments for `run`. */
export function defineCommand<const A extends Args, const O extends Operands = Readonly<Record<never, never>>>(
  definition: CommandDefinition<A, O>,
): CommandDefinition<A, O> {
  return definition;
}

/** `ctxSize` -> `--ctx-size` */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The argument as help and docs show it, e.g. `--port <PORT>`. */
export function flagUsage(name: string, arg: Arg): string {
  const flag = flagOf(name);
  if (arg.type === "flag") return flag;
  return `${flag} <${arg.type === "choice" ? arg.values.join("|") : (arg.value ?? flag.slice(2).toUpperCase())}>`;
}

/** What the help says beside an argument: meaning, range, default and environment variable. */
export function argHelp(arg: Arg): string {
  const facts: string[] = [];
  if ("required" in arg && arg.required) facts.push("required");
  if ("min" in arg) facts.push(rangeOf(arg));
  if ("default" in arg) facts.push(`default ${arg.type === "bytes" ? sizeOf(arg.default!) : arg.default}`);
  if ("env" in arg) facts.push(`env ${arg.env}`);
  if (arg.type === "list") facts.push("repeatable");
  return facts.length === 0 ? arg.help : `${arg.help} (${facts.join("; ")})`;
}

/** e.g. `0 to 65535`, `above 0`, `1 or more` */
export function rangeOf(arg: NumberArg | BytesArg): string {
  const { min, max } = arg.type === "bytes" ? { min: sizeOf(arg.min), max: arg.max && sizeOf(arg.max) } : arg;
  const above = "aboveMin" in arg;
  if (max === undefined) return above ? `above ${min}` : `${min} or more`;
  return `${above ? "above " : ""}${min} to ${max}`;
}

/** `4 GiB` rather than `4.0 GiB` */
function sizeOf(bytes: number): string {
  return formatBytes(bytes).replace(".0", "");
}

/** `[MODEL]`, `<IDS...>` */
export function operandUsage(name: string, { required, rest }: Operand): string {
  const inner = name.toUpperCase() + (rest ? "..." : "");
  return required ? `<${inner}>` : `[${inner}]`;
}
