/** Values on their way from who makes them to the one who takes them, in order; neither waits for the other to keep pace. */
export class EventQueue<T> {
  readonly #values: T[] = [];
  #failure: { readonly error: unknown } | null = null;
  #taker: { resolve(value: T): void; reject(error: unknown): void } | null = null;

  push(value: T): void {
    if (this.#failure) return;
    if (this.#taker) this.#taker.resolve(value);
    else this.#values.push(value);
    this.#taker = null;
  }

  /** Nothing further comes, and what has not been taken is dropped; the first error counts. */
  fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = { error };
    this.#values.length = 0;
    this.#taker?.reject(error);
    this.#taker = null;
  }

  /** The next value, once it is there. One call at a time. @throws what `fail` was given */
  async next(): Promise<T> {
    if (this.#failure) throw this.#failure.error;
    if (this.#values.length > 0) return this.#values.shift()!;
    return new Promise((resolve, reject) => {
      this.#taker = { resolve, reject };
    });
  }
}
