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
  /** Those of #keys, and those that may manage the server alone. */
  readonly #known: readonly ApiKey[];
  readonly #limits: RateLimits;

  /**
   * @param keys empty: none is asked for
   * @param adminKeys taken too, and where they are needed; they alone let everyone else in without a key
   */
  constructor(keys: readonly ApiKey[], limits: RateLimits, adminKeys: readonly ApiKey[] = []) {
    this.#keys = keys;
    this.#known = [...keys, ...adminKeys];
    this.#limits = limits;
  }

  /** @throws ApiError 401 without a key or with a wrong one */
  identify(headers: Headers, address: string): Caller {
    const sent = sentApiKey(headers);
    const key = sent === null ? null : findApiKey(this.#known, sent);
    if (key !== null) {
      const { name: id, requestsPerMinute, tokensPerMinute } = key;
      return { id, key, requestsPerMinute, tokensPerMinute };
    }
    // Clients send a key of their own making where none is asked for.
    if (this.#keys.length === 0) return { id: address, key: null };
    const message =
      sent === null ? "an API key is needed: send it as Authorization: Bearer KEY" : "the API key is wrong";
    throw new ApiError(401, message, { code: "invalid_api_key" });
  }

  /** @throws ApiError 401 without an admin key, 403 where the key is none or there is none to be had */
  checkAdmin({ key }: Caller): void {
    if (key?.admin) return;
    const exists = this.#known.some(({ admin }) => admin);
    const how = 'start the server with --admin-key, or with "admin": true for a key of --api-keys';
    if (key === null && exists) throw new ApiError(401, "an admin key is needed here", { code: "invalid_api_key" });
    const message = exists ? "this key may not manage the server" : `this server has no admin key: ${how}`;
    throw new ApiError(403, message, { code: "admin_key_required" });
  }

  /** @returns headers that say what is left @throws ApiError 429 */
  admit(caller: Caller): Promise<Readonly<Record<string, string>>> {
    return this.#limits.admit(caller);
  }

  spend(caller: Caller, tokens: number): Promise<void> {
    return this.#limits.spend(caller, tokens);
  }
}
