import { DeepTsError } from "../errors.ts";
import { packageVersion } from "../version.ts";
import { commands, DEFAULT_COMMAND } from "./commands.ts";
import { loadConfig, type Settings } from "./config-file.ts";
import { exitCodeOf } from "./exit-codes.ts";
import { Interrupted, Interrupts } from "./interrupts.ts";
import { type Io, processIo } from "./io.ts";
import { isClosedPipe, Output } from "./output.ts";
import { type Parsed, parseCommandLine } from "./parse.ts";

/**
 * The command `deepts`. Never ends the process itself.
 * @param argv without the program's name
 * @returns the exit code (exit-codes.ts)
 */
export async function main(argv: readonly string[], io: Io = processIo()): Promise<number> {
  const stdout = new Output(io.stdout, io.env);
  const stderr = new Output(io.stderr, io.env);
  const interrupts = new Interrupts(io);
  try {
    const parsed = parseCommandLine(argv, {
      commands,
      fallback: DEFAULT_COMMAND,
      version: packageVersion(),
      env: io.env,
    });
    if (parsed.command === null) {
      await stdout.write(parsed.text);
      return 0;
    }
    const { signal } = interrupts;
    // Made by the parser from this command's own table.
    const args = parsed.values(await configOf(parsed)) as never;
    await parsed.command.run({ args, io, stdout, stderr, interrupts, signal });
    return 0;
  } catch (error) {
    if (isClosedPipe(error)) return 0;
    await report(error, stderr, io.env);
    return exitCodeOf(error);
  } finally {
    interrupts.close();
  }
}

/** The configuration file of a command that reads one. */
async function configOf({ command, values }: Extract<Parsed, { command: object }>): Promise<Settings | null> {
  return command.readsConfig ? loadConfig(values().config as string | undefined, process.cwd()) : null;
}

async function report(error: unknown, stderr: Output, env: Io["env"]): Promise<void> {
  if (error instanceof Interrupted) return;
  const message = error instanceof Error ? error.message : String(error);
  const advice = error instanceof DeepTsError ? "" : " (set DEEPTS_DEBUG=1 to see where)";
  const line = `deepts: ${message.trim().replace(/\s*\n\s*/g, " ")}`;
  if (env.DEEPTS_DEBUG !== "1") await stderr.line(line + advice);
  else await stderr.line(`${line}\n${error instanceof Error ? stackOf(error) : ""}`);
}

function stackOf(error: Error): string {
  const own = error.stack ?? "";
  return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own;
}
