import { ApiError } from "../errors.ts";
import { type ApiKey, findApiKey, sentApiKey } from "./api-keys.ts";
import type { Limited, RateLimits } from "./rate-limits.ts";

/** Who makes a request. */
export interface Caller extends Limited {
  /** Name of the API key, or the address where keys are not asked for. */
  readonly id: string;
  readonly key: ApiKey | null;
}

/** Lets requests in: by key, where keys are asked for, and by what the caller has used up. */
export class Gate {
  readonly #keys: readonly ApiKey[];
  readonly #limits: RateLimits;

  /** @param keys empty: none is asked for */
  constructor(keys: readonly ApiKey[], limits: RateLimits) {
    this.#keys = keys;
    this.#limits = limits;
  }

  /** @throws ApiError 401 without a key or with a wrong one */
  identify(headers: Headers, address: string): Caller {
    if (this.#keys.length === 0) return { id: address, key: null };
    const sent = sentApiKey(headers);
    const key = sent === null ? null : findApiKey(this.#keys, sent);
    if (key !== null) {
      const { name: id, requestsPerMinute, tokensPerMinute } = key;
      return { id, key, requestsPerMinute, tokensPerMinute };
    }
    const message =
      sent === null ? "an API key is needed: send it as Authorization: Bearer KEY" : "the API key is wrong";
    throw new ApiError(401, message, { code: "invalid_api_key" });
  }

  /** @returns headers that say what is left @throws ApiError 429 */
  admit(caller: Caller): Promise<Readonly<Record<string, string>>> {
    return this.#limits.admit(caller);
  }

  spend(caller: Caller, tokens: number): Promise<void> {
    return this.#limits.spend(caller, tokens);
  }
}
