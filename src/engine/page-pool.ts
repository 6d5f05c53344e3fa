import { ApiError, CacheFullError } from "../errors.ts";

interface Waiter {
  readonly count: number;
  grant(pages: Int32Array): void;
}

/**
 * Hands out the pages of the cache. A sequence takes all it may need before it starts, so that it can never run out in
 * the middle; who must wait is served in order of arrival.
 */
export class PagePool {
  readonly size: number;
  readonly #maxWaiting: number;
  readonly #free: number[];
  readonly #waiting: Waiter[] = [];

  /** @param maxWaiting requests that may wait; a further one is refused */
  constructor(size: number, maxWaiting: number) {
    this.size = size;
    this.#maxWaiting = maxWaiting;
    this.#free = Array.from({ length: size }, (_, i) => size - 1 - i);
  }

  get available(): number {
    return this.#free.length;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * @throws CacheFullError when the pool could never hold that many pages
   * @throws ApiError 503 when too many wait already
   * @throws the signal's reason when it aborts while waiting
   */
  async acquire(count: number, signal?: AbortSignal): Promise<Int32Array> {
    signal?.throwIfAborted();
    if (count > this.size) throw new CacheFullError(`${count} cache pages wanted, but there are only ${this.size}`);
    if (this.#waiting.length === 0 && count <= this.#free.length) return this.#take(count);
    if (this.#waiting.length >= this.#maxWaiting) {
      throw new ApiError(503, `${this.#waiting.length} requests are waiting already; try again later`, {
        code: "queue_full",
      });
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal!.reason);
        this.#serve(); // the next one may need less
      };
      const waiter: Waiter = {
        count,
        grant(pages) {
          signal?.removeEventListener("abort", leave);
          resolve(pages);
        },
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiting.push(waiter);
    });
  }

  release(pages: Int32Array): void {
    this.#free.push(...pages);
    this.#serve();
  }

  #take(count: number): Int32Array {
    return Int32Array.from(this.#free.splice(this.#free.length - count, count));
  }

  #serve(): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.count <= this.#free.length) {
      const waiter = this.#waiting.shift()!;
      waiter.grant(this.#take(waiter.count));
    }
  }
}
