import {
  ApiError,
  BackendUnavailableError,
  ConfigError,
  DeepTsError,
  FormatError,
  ShapeError,
  TextError,
  UnsupportedOpError,
} from "../errors.ts";
import { Interrupted } from "./interrupts.ts";

/** The command cannot be carried out as it was given: wrong flags, or input that does not fit. */
export class UsageError extends DeepTsError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("usage", message, options);
  }
}

/** What every exit code means. */
export const EXIT_CODES = {
  0: "done",
  1: "failed while running",
  2: "bad arguments or input",
  3: "model not loadable",
  4: "backend not available, or it cannot run this model",
  130: "interrupted (143: by SIGTERM)",
} as const;

type ExitCode = keyof typeof EXIT_CODES;

/** Exit codes of commands that read no weights, of those that do, and of the one that signals end in good order. */
export const TEXT_EXITS = pick(0, 1, 2, 3, 130);
export const RUN_EXITS = pick(0, 1, 2, 3, 4, 130);
export const SERVE_EXITS = pick(0, 1, 2, 3, 4);

function pick(...codes: ExitCode[]): Readonly<Record<number, string>> {
  return Object.fromEntries(codes.map((code) => [code, EXIT_CODES[code]]));
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return error.exitCode;
  if (error instanceof UsageError || error instanceof TextError) return 2;
  if (error instanceof ApiError) return error.status < 500 ? 2 : 1;
  // The engine names the flag where one is at fault, and else the field of the model's own files.
  if (error instanceof ConfigError) return error.field.startsWith("--") ? 2 : 3;
  if (error instanceof FormatError || error instanceof ShapeError) return 3;
  if (error instanceof BackendUnavailableError || error instanceof UnsupportedOpError) return 4;
  return 1;
}
