import { type LevelWithSilent, pino } from "pino";
import type { RequestLog } from "../server/app.ts";
import type { OutputStream } from "./io.ts";

/** Writes one JSON line a request, which holds nothing of what was asked or answered. */
export function requestLogger(level: string, stream: OutputStream): (entry: RequestLog) => void {
  const logger = pino(
    { level: level as LevelWithSilent, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    stream,
  );
  return ({ error, durationMs, ...entry }) => {
    const fields = { ...entry, durationMs: Math.round(durationMs * 10) / 10 };
    if (error === undefined) return logger.info(fields, "request");
    // The message alone: a stack says nothing to whoever runs the server, and an error's fields could hold text.
    logger.error({ ...fields, error: error instanceof Error ? error.message : String(error) }, "request failed");
  };
}
