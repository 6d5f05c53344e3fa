import { CommanderError, Option, Command as Parser } from "commander";
import { parseBytes } from "./bytes.ts";
import {
  type Arg,
  argHelp,
  type ChoiceArg,
  type Command,
  flagOf,
  flagUsage,
  type NumberArg,
  operandUsage,
  rangeOf,
} from "./command.ts";
import type { Settings } from "./config-file.ts";
import { UsageError } from "./exit-codes.ts";
import type { Io } from "./io.ts";

export interface ParseOptions {
  readonly commands: readonly Command[];
  /** Name of the command that runs where none is named. */
  readonly fallback: string;
  readonly version: string;
  readonly env: Io["env"];
}

/** What a command line asks for: a command, or text to print (--help, --version). */
export type Parsed =
  | {
      readonly command: Command;
      /** The arguments of the command line and the environment, and below them those of a configuration file. */
      values(settings?: Settings | null): Readonly<Record<string, unknown>>;
    }
  | { readonly command: null; readonly text: string };

const HELP_WIDTH = 100;

/** Names of the program itself; every other leading flag belongs to the fallback command. */
const PROGRAM_FLAGS = ["-h", "--help", "-V", "--version"];

/**
 * @param argv without the program's name
 * @throws UsageError naming the flag, with the nearest known one where there is one
 */
export function parseCommandLine(argv: readonly string[], options: ParseOptions): Parsed {
  const { commands, fallback, version, env } = options;
  let text = "";
  let parsed: Parsed | null = null;
  const program = new Parser("deepts")
    .description("Runs models of the DeepSeek family and serves them over an OpenAI-compatible HTTP API.")
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: (part) => (text += part), writeErr: () => {}, getOutHelpWidth: () => HELP_WIDTH })
    .addHelpText("after", `\nWithout a command, deepts does what deepts ${fallback} does.`);
  for (const command of commands) {
    const sub = addCommand(program, command);
    sub.action(() => {
      parsed = { command, values: (settings = null) => valuesOf(command, sub.opts(), sub.args, env, settings) };
    });
  }
  const [first] = argv;
  const named = first !== undefined && (!first.startsWith("-") || PROGRAM_FLAGS.includes(first));
  try {
    program.parse(named ? argv : [fallback, ...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw usageError(error, named ? first : fallback, commands);
  }
  return parsed ?? { command: null, text };
}

function addCommand(program: Parser, command: Command): Parser {
  const sub = program.command(command.name).summary(command.summary);
  sub.description(
    command.description === undefined ? command.summary : `${command.summary}.\n\n${command.description}`,
  );
  for (const [name, operand] of Object.entries(command.operands ?? {})) {
    sub.argument(operandUsage(name, operand), operand.help);
  }
  for (const [name, arg] of Object.entries(command.args)) {
    const option = new Option(flagUsage(name, arg), argHelp(arg));
    if (arg.type === "list") option.argParser((value, all: readonly string[] = []) => [...all, value]);
    sub.addOption(option);
    if (arg.type === "flag" && arg.negatable)
      sub.addOption(new Option(flagOf(name).replace("--", "--no-"), "the opposite"));
  }
  const examples = command.examples.map(({ command: line, what }) => `  # ${what}\n  ${line}`);
  const exits = Object.entries(command.exits).map(([code, meaning]) => `  ${code.padEnd(4)} ${meaning}`);
  return sub.addHelpText("after", `\nExamples:\n${examples.join("\n")}\n\nExit codes:\n${exits.join("\n")}`);
}

function usageError(error: CommanderError, command: string | undefined, commands: readonly Command[]): UsageError {
  // `help` of an unknown command has no message of its own.
  const message = error.code === "commander.help" ? "no help for an unknown command" : error.message;
  const [problem, hint] = message.replace(/^error: |\.$/g, "").split("\n");
  const known = commands.some(({ name }) => name === command);
  const suggestion = hint === undefined ? "" : ` ${hint.replace("(Did", "(did")}`;
  return new UsageError(`${problem}${suggestion}; see deepts ${known ? `${command} ` : ""}--help`);
}

function valuesOf(
  command: Command,
  options: Readonly<Record<string, unknown>>,
  rest: readonly string[],
  env: Io["env"],
  settings: Settings | null,
): Readonly<Record<string, unknown>> {
  const unknown = Object.keys(settings?.values ?? {}).find((name) => command.args[name] === undefined);
  if (unknown !== undefined) {
    const known = Object.keys(command.args).join(", ");
    throw new UsageError(`${settings!.file}: unknown setting ${JSON.stringify(unknown)}; there are ${known}`);
  }
  const values = Object.entries(command.args).map(([name, arg]) => [
    name,
    argValue(name, arg, givenValue(name, arg, options[name], env, settings)),
  ]);
  const operands = Object.entries(command.operands ?? {}).map(([name, operand], i) => [
    name,
    operand.rest ? rest.slice(i) : rest[i],
  ]);
  return Object.fromEntries([...values, ...operands]);
}

/** A value as it was written, and where: what an error names. */
interface Given {
  readonly from: string;
  readonly value: unknown;
}

/** The command line goes before the environment, and that before the file. An empty environment variable counts as none. */
function givenValue(
  name: string,
  arg: Arg,
  option: unknown,
  env: Io["env"],
  settings: Settings | null,
): Given | undefined {
  if (option !== undefined) return { from: flagOf(name), value: option };
  const set = arg.env === undefined ? undefined : env[arg.env] || undefined;
  if (set !== undefined) return { from: arg.env!, value: arg.type === "list" ? set.split(/\s*,\s*/) : set };
  const setting = settings?.values[name];
  return setting === undefined ? undefined : { from: `${settings!.file}: ${name}`, value: setting };
}

function argValue(name: string, arg: Arg, given: Given | undefined): unknown {
  if (given === undefined) {
    if (arg.type === "flag") return arg.negatable ? undefined : false;
    if (arg.type === "list") return [];
    if (arg.required) throw new UsageError(`${flagOf(name)} is required: ${arg.help}`);
    return arg.default;
  }
  const { from, value } = given;
  const wrong = (wanted: string) => new UsageError(`${from}: want ${wanted}, got ${JSON.stringify(value)}`);
  if (arg.type === "flag") {
    if (value === true || value === "true" || value === "1") return true;
    if (value === false || value === "false" || value === "0") return false;
    throw wrong("true or false");
  }
  if (arg.type === "list") {
    const items = arg.named ? namedItems(value) : value;
    if (Array.isArray(items) && items.every((item) => typeof item === "string")) return items;
    throw arg.secret ? new UsageError(`${from}: want a list of strings`) : wrong("a list of strings");
  }
  if (arg.type === "bytes") {
    const bytes = typeof value === "string" || typeof value === "number" ? parseBytes(String(value)) : Number.NaN;
    if (bytes >= arg.min && bytes <= (arg.max ?? Infinity)) return bytes;
    throw wrong(`a size such as 8GB or 8GiB, a number alone being bytes (${rangeOf(arg)})`);
  }
  if (typeof value === "number" && (arg.type === "integer" || arg.type === "number"))
    return numberOf(from, String(value), arg);
  if (typeof value !== "string") throw wrong(arg.type === "integer" || arg.type === "number" ? "a number" : "a string");
  if (arg.type === "text") return value;
  return arg.type === "choice" ? choiceOf(from, value, arg) : numberOf(from, value, arg);
}

/** As a list what a configuration file says in another form; anything else as it is. */
function namedItems(value: unknown): unknown {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.entries(value).map(([name, item]) => (typeof item === "string" ? `${name}=${item}` : item));
}

function choiceOf(from: string, text: string, { values }: ChoiceArg): string {
  if (values.includes(text)) return text;
  throw new UsageError(`${from}: want ${values.join(", ")}, got ${JSON.stringify(text)}`);
}

/** @throws UsageError that names `from` */
export function numberOf(from: string, text: string, arg: NumberArg): number {
  const { type, min = -Infinity, max = Infinity, aboveMin } = arg;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  const whole = type === "number" ? Number.isFinite(value) : Number.isSafeInteger(value);
  if (whole && value <= max && (aboveMin ? value > min : value >= min)) return value;
  const range = arg.min === undefined ? "" : ` (${rangeOf(arg)})`;
  throw new UsageError(
    `${from}: want ${type === "integer" ? "an integer" : "a number"}${range}, got ${JSON.stringify(text)}`,
  );
}
