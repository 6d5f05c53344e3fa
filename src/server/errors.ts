import { ApiError, CacheFullError, ConfigError, TextError } from "../errors.ts";
import { engineNames } from "../protocol/sampling.ts";
import { type Dialect, errorBodyOf, statusOf } from "./dialects.ts";

/** Seconds after which a client that met a full queue or cache may try again. */
const RETRY_AFTER_SECONDS = 1;

const INTERNAL = "the server failed to answer; its log has the details under this request's x-request-id";

/** The one place where an error of any kind becomes one that the API answers with. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof CacheFullError) {
    return new ApiError(503, error.message, { code: error.code, cause: error });
  }
  if (error instanceof TextError) return new ApiError(400, error.message, { code: "invalid_text", cause: error });
  if (error instanceof ConfigError) {
    const param = wireName(error.field);
    if (param !== null) {
      // The message starts with the field's name inside the engine.
      const reason = error.message.replace(`${error.field}: `, "");
      return new ApiError(400, `'${param}': ${reason}`, { param, code: "invalid_value", cause: error });
    }
  }
  // Messages of other errors may hold paths or text of a prompt.
  return new ApiError(500, INTERNAL, { code: "internal_error", cause: error });
}

/** @param requestId is repeated in the body where the dialect has a place for it */
export function errorResponse(error: ApiError, dialect: Dialect = "openai", requestId: string | null = null): Response {
  const headers = new Headers({ "content-type": "application/json" });
  if (error.status === 503 || error.status === 429) {
    headers.set("retry-after", String(error.retryAfter ?? RETRY_AFTER_SECONDS));
  }
  if (error.status === 401) headers.set("www-authenticate", "Bearer");
  const body = JSON.stringify(errorBodyOf(error, dialect, requestId));
  return new Response(body, { status: statusOf(error, dialect), headers });
}

/** The request's name for a sampling field of the engine. */
function wireName(field: string): string | null {
  return Object.entries(engineNames).find(([, engineName]) => engineName === field)?.[0] ?? null;
}
