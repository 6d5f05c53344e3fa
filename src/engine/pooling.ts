/** How the states of a text's tokens become one vector: their mean, or that of the last, which has seen all the others. */
export type Pooling = "mean" | "last";

/** Takes states chunk by chunk; gives one vector of length 1. */
export class Pooler {
  readonly #pooling: Pooling;
  readonly #sum: Float64Array;

  /** @param width of a state */
  constructor(pooling: Pooling, width: number) {
    this.#pooling = pooling;
    this.#sum = new Float64Array(width);
  }

  get width(): number {
    return this.#sum.length;
  }

  /** @param states [rows, width], in the order of the tokens */
  add(states: Float32Array): void {
    const width = this.#sum.length;
    if (states.length === 0) return;
    if (this.#pooling === "last") return void this.#sum.set(states.subarray(states.length - width));
    for (let at = 0; at < states.length; at += width) {
      for (let i = 0; i < width; i++) this.#sum[i]! += states[at + i]!;
    }
  }

  /** Scaled to length 1, so that a dot product is the cosine; for the same reason a mean need not be divided. */
  vector(): Float32Array {
    const length = Math.hypot(...this.#sum);
    return Float32Array.from(this.#sum, (value) => (length === 0 ? 0 : value / length));
  }
}
