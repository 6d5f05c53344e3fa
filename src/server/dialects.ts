import type { ApiError } from "../errors.ts";

/** Whose clients a route speaks to: they differ in the form of errors and in a few statuses. */
export type Dialect = "openai" | "deepseek" | "anthropic";

/** The status of an error on a route of this dialect. */
export function statusOf(error: ApiError, dialect: Dialect): number {
  // DeepSeek tells a body that is no JSON (400) from one with a parameter at fault (422).
  if (dialect === "deepseek" && error.status === 400 && error.param !== null) return 422;
  if (dialect === "anthropic" && error.status === 503) return 529;
  return error.status;
}

/** The body of an error, as the dialect's clients read it. */
export function errorBodyOf(error: ApiError, dialect: Dialect, requestId: string | null): object {
  const { message, type, param, code } = error;
  if (dialect !== "anthropic") return { error: { message, type, param, code } };
  return {
    type: "error",
    error: { type: anthropicType(statusOf(error, dialect)), message },
    ...(requestId === null ? {} : { request_id: requestId }),
  };
}

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  504: "timeout_error",
  529: "overloaded_error",
};

function anthropicType(status: number): string {
  return ANTHROPIC_TYPES[status] ?? (status >= 500 ? "api_error" : "invalid_request_error");
}
