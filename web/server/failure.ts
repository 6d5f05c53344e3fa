import type { ErrorBody } from "../../src/protocol/error.ts";

/**
 * Why there is no answer, or not a whole one. `unreachable`: no connection; `broken`: it ended too early; `key`: an API key is
 * missing or wrong; `busy`: worth another try soon; `refused`: the request must change; `failed`: the server's own fault.
 */
export type FailureKind = "unreachable" | "broken" | "key" | "busy" | "refused" | "failed";

export interface Failure {
  readonly kind: FailureKind;
  /** For people: what happened and what to do. */
  readonly message: string;
}

export class ServerError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

export const UNREACHABLE: Failure = {
  kind: "unreachable",
  message: "The server does not answer. It may have been stopped: start it again, then try once more.",
};

export const BROKEN: Failure = { kind: "broken", message: "The connection ended before the answer was complete." };

/** What a status of 400 or more means, in words. @param retryAfter the header's value */
export function failureOf(status: number, body: string, retryAfter: string | null = null): Failure {
  const { message, code } = errorOf(body) ?? { message: `HTTP status ${status}`, code: null };
  if (status === 401) return { kind: "key", message: `The server wants an API key: ${message}.` };
  if (status === 429 || status === 503) {
    const when = /^\d+$/.test(retryAfter ?? "") ? ` Try again in ${retryAfter} s.` : " Try again soon.";
    return { kind: "busy", message: `The server cannot answer now: ${message}.${when}` };
  }
  if (code === "context_length_exceeded") {
    return {
      kind: "refused",
      message: `The conversation has become too long for the model: ${message}. Start a new one, or edit an earlier message.`,
    };
  }
  if (status < 500) return { kind: "refused", message: `The server refused this: ${message}.` };
  return { kind: "failed", message: `The server failed: ${message}.` };
}

/** The error of a body, or of an event in a stream. Null where it holds none: a proxy may have answered. */
export function errorOf(body: string): ErrorBody["error"] | null {
  try {
    const { error } = JSON.parse(body) as Partial<ErrorBody>;
    return typeof error?.message === "string" ? { ...error, message: error.message.replace(/\.$/, "") } : null;
  } catch {
    return null;
  }
}
