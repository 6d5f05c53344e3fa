import { nextTurn } from "../../next-turn.ts";

/** Milliseconds of computing after which other work of the process gets its turn. */
const BUDGET_MS = 10;

/**
 * Runs the steps of all Executables of a backend one after the other, and lets timers, sockets and other promises have
 * their turn in between: also between short steps, which would otherwise follow each other without a pause.
 */
export class StepQueue {
  #tail: Promise<unknown> = Promise.resolve();
  #lastTurn = performance.now();

  /** Runs a step after all that were asked for before it. */
  run<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(step);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  /** To be called now and then by a step. */
  async yieldWhenDue(): Promise<void> {
    if (performance.now() - this.#lastTurn < BUDGET_MS) return;
    await nextTurn();
    this.#lastTurn = performance.now();
  }
}
