import { ApiError } from "../errors.ts";
import type { InputItem } from "../protocol/responses-request.ts";
import type { ResponseObject } from "../protocol/responses-response.ts";

export interface StoredResponse {
  readonly response: ResponseObject;
  /** Everything said up to and with this response; a next one goes on from here. */
  readonly conversation: readonly InputItem[];
}

export interface StoreLimits {
  readonly maxResponses: number;
  /** Of the responses and their conversations as JSON, in UTF-16 units. */
  readonly maxSize: number;
}

/** Keeps the responses used last, in memory alone. Nobody sees those of another caller. */
export class ResponseStore {
  readonly #limits: StoreLimits;
  /** By caller and id; the one used last stands last. */
  readonly #entries = new Map<string, { readonly stored: StoredResponse; readonly size: number }>();
  #size = 0;

  constructor(limits: StoreLimits) {
    this.#limits = limits;
  }

  /** Sum over all entries, as `maxSize` counts. */
  get size(): number {
    return this.#size;
  }

  put(caller: string, stored: StoredResponse): void {
    const size = JSON.stringify(stored).length;
    this.#entries.set(keyOf(caller, stored.response.id), { stored, size });
    this.#size += size;
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= this.#limits.maxResponses && this.#size <= this.#limits.maxSize) break;
      this.#entries.delete(key);
      this.#size -= entry.size;
    }
  }

  /** @param param the field that named the response @throws ApiError 404 */
  get(caller: string, id: string, param: string): StoredResponse {
    const key = keyOf(caller, id);
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      throw new ApiError(
        404,
        "no response of this id is stored here: it may be too old, or was made with store: false",
        {
          param,
          code: "response_not_found",
        },
      );
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.stored;
  }

  /** @throws ApiError 404 */
  delete(caller: string, id: string): void {
    this.get(caller, id, "response_id");
    const key = keyOf(caller, id);
    this.#size -= this.#entries.get(key)!.size;
    this.#entries.delete(key);
  }
}

function keyOf(caller: string, id: string): string {
  return JSON.stringify([caller, id]);
}
