import { CommanderError, Option, Command as Parser } from "commander";
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
  type TakesValueArg,
} from "./command.ts";
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
  | { readonly command: Command; readonly values: Readonly<Record<string, unknown>> }
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
      parsed = { command, values: valuesOf(command, sub.opts(), sub.args, env) };
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
): Readonly<Record<string, unknown>> {
  const values = Object.entries(command.args).map(([name, arg]) => [name, argValue(name, arg, options[name], env)]);
  const operands = Object.entries(command.operands ?? {}).map(([name, operand], i) => [
    name,
    operand.rest ? rest.slice(i) : rest[i],
  ]);
  return Object.fromEntries([...values, ...operands]);
}

function argValue(name: string, arg: Arg, given: unknown, env: Io["env"]): unknown {
  if (arg.type === "flag") return given ?? (arg.negatable ? undefined : false);
  if (arg.type === "list") return given ?? [];
  const { text, from } = textOf(name, arg, given as string | undefined, env);
  if (text !== undefined) {
    if (arg.type === "text") return text;
    return arg.type === "choice" ? choiceOf(from, text, arg) : numberOf(from, text, arg);
  }
  if (arg.required) throw new UsageError(`${from} is required: ${arg.help}`);
  return arg.default;
}

/** The value as it was written, and where. An empty environment variable counts as none. */
function textOf(name: string, arg: TakesValueArg, given: string | undefined, env: Io["env"]) {
  const set = arg.env === undefined ? undefined : env[arg.env] || undefined;
  return given === undefined && set !== undefined ? { text: set, from: arg.env! } : { text: given, from: flagOf(name) };
}

function choiceOf(from: string, text: string, { values }: ChoiceArg): string {
  if (values.includes(text)) return text;
  throw new UsageError(`${from}: want ${values.join(", ")}, got ${JSON.stringify(text)}`);
}

function numberOf(from: string, text: string, arg: NumberArg): number {
  const { type, min = -Infinity, max = Infinity, aboveMin } = arg;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  const whole = type === "number" ? Number.isFinite(value) : Number.isSafeInteger(value);
  if (whole && value <= max && (aboveMin ? value > min : value >= min)) return value;
  const range = arg.min === undefined ? "" : ` (${rangeOf(arg)})`;
  throw new UsageError(
    `${from}: want ${type === "integer" ? "an integer" : "a number"}${range}, got ${JSON.stringify(text)}`,
  );
}
