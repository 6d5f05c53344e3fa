import type { Io, StopSignal } from "./io.ts";

const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

/**
 * One Ctrl-C can arrive twice: the terminal sends it to the whole process group, and npm passes it on to its child once
 * more. What comes within this time of the first is the same request.
 */
const SAME_REQUEST_MS = 1000;

/** Why a command ended before its work was done: the user wanted it to. */
export class Interrupted extends Error {
  /** As shells have it: 128 + the number of the signal. */
  readonly exitCode: number;
  constructor(signal: StopSignal) {
    super(`interrupted by ${signal}`);
    this.exitCode = 128 + SIGNAL_NUMBERS[signal];
  }
}

/**
 * Turns signals into an AbortSignal, so that a command can end in good order. A second signal finds no handler and ends
 * the process at once.
 */
export class Interrupts {
  readonly #stop = new AbortController();
  readonly #off: () => void;
  #forced: NodeJS.Timeout | null = null;
  #onInterrupt: (() => void) | null = null;

  constructor(io: Io) {
    this.#off = io.onSignal((signal) => {
      if (signal === "SIGINT" && this.#onInterrupt !== null) this.#onInterrupt();
      else this.#abort(signal);
    });
  }

  /** Aborts with Interrupted. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** From now on SIGINT calls `handler` and no longer ends the command; null undoes it. SIGTERM always ends it. */
  handleWith(handler: (() => void) | null): void {
    this.#onInterrupt = handler;
  }

  /** Signals are the process's own again. */
  close(): void {
    if (this.#forced !== null) clearTimeout(this.#forced);
    this.#off();
  }

  #abort(signal: StopSignal): void {
    if (this.#stop.signal.aborted) return;
    this.#forced = setTimeout(this.#off, SAME_REQUEST_MS);
    this.#forced.unref();
    this.#stop.abort(new Interrupted(signal));
  }
}
