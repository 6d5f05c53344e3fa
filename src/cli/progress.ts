import type { Output } from "./output.ts";

/** Least time between two writes, so that many small steps cost nothing. */
const INTERVAL_MS = 100;

/** A line on the terminal that says how far something is; where there is no terminal it says nothing. */
export class Progress {
  readonly #output: Output;
  readonly #label: string;
  #last = -Infinity;
  #shown = false;

  constructor(output: Output, label: string) {
    this.#output = output;
    this.#label = label;
  }

  update(done: number, total: number): void {
    const now = performance.now();
    if (!this.#output.isTerminal || now - this.#last < INTERVAL_MS) return;
    this.#last = now;
    this.#shown = true;
    const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
    void this.#output.status(`${this.#label} ${percent} %`).catch(() => undefined);
  }

  /** Takes the line away. */
  async end(): Promise<void> {
    if (this.#shown) await this.#output.status("");
    this.#shown = false;
  }
}
