import type { Pooler } from "./pooling.ts";
import type { Sequence } from "./sequence.ts";

/** A text on its way through the network for the sake of its states: no token is chosen. */
export class Embedding {
  readonly sequence: Sequence;
  readonly vector: Promise<Float32Array>;
  readonly events: { fail(error: unknown): void };
  readonly #pooler: Pooler;
  readonly #resolve: (vector: Float32Array) => void;
  /** Positions whose states are in; those computed again after a pre-emption do not count again. */
  #seen = 0;

  constructor(sequence: Sequence, pooler: Pooler) {
    this.sequence = sequence;
    this.#pooler = pooler;
    let resolve: (vector: Float32Array) => void = () => {};
    let reject: (error: unknown) => void = () => {};
    this.vector = new Promise((onResult, onError) => {
      resolve = onResult;
      reject = onError;
    });
    this.#resolve = resolve;
    this.events = { fail: (error) => reject(error) };
  }

  /** @param states [rows, hidden] after the last norm, of the tokens from `start` on */
  takeStates(states: Float32Array, start: number): void {
    const width = this.#pooler.width;
    const rows = states.length / width;
    this.#pooler.add(states.subarray(Math.max(0, this.#seen - start) * width));
    this.#seen = Math.max(this.#seen, start + rows);
  }

  advance(): boolean {
    this.#resolve(this.#pooler.vector());
    return false;
  }
}
