import {
  type IRateLimiterOptions,
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterRedis,
  RateLimiterRes,
} from "rate-limiter-flexible";
import { ApiError } from "../errors.ts";

export interface RateLimitOptions {
  /** For each key, or each address where there are no keys. Default: no limit. */
  readonly requestsPerMinute?: number;
  /** Tokens of prompts and answers. Default: no limit. */
  readonly tokensPerMinute?: number;
  /** An ioredis client, whose owner closes it; several servers then count together. Default: in memory. */
  readonly redis?: unknown;
}

/** Who is counted, and by which limits of their own. */
export interface Limited {
  readonly id: string;
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
}

const KINDS = ["requests", "tokens"] as const;
type Kind = (typeof KINDS)[number];

/** The headers that say what is left. */
export const RATE_LIMIT_HEADERS: readonly string[] = KINDS.flatMap((kind) => Object.keys(leftHeaders(kind, 0, 0, 0)));

const WINDOW_SECONDS = 60;

/**
 * Counts requests and tokens in windows of a minute. Tokens are known only afterwards: a caller who has spent them waits
 * for the next window, and one answer may go beyond the limit.
 */
export class RateLimits {
  readonly #options: RateLimitOptions;
  /** By kind and limit: callers with the same limit share one. */
  readonly #limiters = new Map<string, RateLimiterAbstract>();

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** @returns headers that say what is left, as OpenAI's @throws ApiError 429 with the time to wait */
  async admit(caller: Limited): Promise<Readonly<Record<string, string>>> {
    const headers: Record<string, string> = {};
    const tokens = this.#limiter("tokens", caller);
    if (tokens !== null) {
      const state = await tokens.get(caller.id);
      const left = tokens.points - (state?.consumedPoints ?? 0);
      if (state !== null && left <= 0) throw tooMany("tokens", tokens.points, state.msBeforeNext);
      Object.assign(headers, leftHeaders("tokens", tokens.points, left, state?.msBeforeNext ?? 0));
    }
    const requests = this.#limiter("requests", caller);
    if (requests !== null) {
      try {
        const { remainingPoints, msBeforeNext } = await requests.consume(caller.id);
        Object.assign(headers, leftHeaders("requests", requests.points, remainingPoints, msBeforeNext));
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal;
        throw tooMany("requests", requests.points, refusal.msBeforeNext);
      }
    }
    return headers;
  }

  /** Counts what an answer has cost. */
  async spend(caller: Limited, tokens: number): Promise<void> {
    if (tokens > 0) await this.#limiter("tokens", caller)?.penalty(caller.id, tokens);
  }

  #limiter(kind: Kind, caller: Limited): RateLimiterAbstract | null {
    const points = caller[`${kind}PerMinute`] ?? this.#options[`${kind}PerMinute`];
    if (points === undefined) return null;
    const name = `${kind}:${points}`;
    let limiter = this.#limiters.get(name);
    if (limiter === undefined) {
      limiter = this.#create({ keyPrefix: `deepts:${name}`, points, duration: WINDOW_SECONDS });
      this.#limiters.set(name, limiter);
    }
    return limiter;
  }

  #create(options: IRateLimiterOptions): RateLimiterAbstract {
    const { redis } = this.#options;
    const memory = new RateLimiterMemory(options);
    // While Redis does not answer each server counts by itself: neither open to all nor closed to all.
    return redis === undefined
      ? memory
      : new RateLimiterRedis({ ...options, storeClient: redis, insuranceLimiter: memory });
  }
}

function tooMany(kind: Kind, limit: number, waitMs: number): ApiError {
  const retryAfter = Math.max(1, Math.ceil(waitMs / 1000));
  return new ApiError(429, `more than ${limit} ${kind} a minute: try again in ${retryAfter} s`, {
    type: "rate_limit_error",
    code: "rate_limit_exceeded",
    retryAfter,
  });
}

function leftHeaders(kind: Kind, limit: number, left: number, resetMs: number): Record<string, string> {
  return {
    [`x-ratelimit-limit-${kind}`]: String(limit),
    [`x-ratelimit-remaining-${kind}`]: String(Math.max(0, left)),
    [`x-ratelimit-reset-${kind}`]: `${Math.ceil(resetMs / 1000)}s`,
  };
}
