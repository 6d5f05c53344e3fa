import { ApiError, ConfigError } from "../errors.ts";

/** How long the engine works for one request. */
export interface TimeLimit {
  /** Aborts with an ApiError: 504 when the time is up, 503 when the engine closes. */
  readonly signal: AbortSignal;
  /** @throws the signal's reason; the time counts as up also where something has kept the timer from firing */
  check(): void;
  /** Call when the request has ended. */
  end(): void;
}

/** setTimeout takes no more. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** The limits of all requests of an engine, which end together when it closes. */
export class TimeLimits {
  readonly #open = new Set<AbortController>();
  #closed = false;

  /**
   * @param timeoutMs waiting included. Default: until the engine closes
   * @throws ApiError 503 once the engine closes, ConfigError for a time that is none
   */
  begin(timeoutMs?: number): TimeLimit {
    if (this.#closed) throw closedError();
    if (timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS)) {
      throw new ConfigError("timeoutMs", `want a number above 0 up to ${MAX_TIMEOUT_MS}, got ${timeoutMs}`);
    }
    const abort = new AbortController();
    const until = performance.now() + (timeoutMs ?? Infinity);
    const expire = () => abort.abort(timedOut(timeoutMs!));
    const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
    this.#open.add(abort);
    return {
      signal: abort.signal,
      check() {
        if (performance.now() >= until) expire();
        abort.signal.throwIfAborted();
      },
      end: () => {
        clearTimeout(timer);
        this.#open.delete(abort);
      },
    };
  }

  close(): void {
    this.#closed = true;
    for (const abort of this.#open) abort.abort(closedError());
  }
}

function timedOut(timeoutMs: number): ApiError {
  return new ApiError(504, `the answer was not complete within ${timeoutMs} ms`, { code: "timeout" });
}

function closedError(): ApiError {
  return new ApiError(503, "the server is shutting down", { code: "shutting_down" });
}
