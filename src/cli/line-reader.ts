import { createInterface, type Interface } from "node:readline";
import type { Io } from "./io.ts";

/** Lines of stdin, one when asked: edited on a terminal, with a history of its own; as they come from a pipe. */
export class LineReader {
  readonly isTerminal: boolean;
  readonly #readline: Interface;
  readonly #lines: string[] = [];
  #waiting: ((line: string | null) => void) | null = null;
  #closed = false;

  /** @param onInterrupt Ctrl-C on the terminal, which is no signal while lines are edited */
  constructor(io: Io, onInterrupt: () => void) {
    this.isTerminal = (io.stdin.isTTY ?? false) && (io.stdout.isTTY ?? false);
    const output = this.isTerminal ? io.stdout : undefined;
    this.#readline = createInterface({ input: io.stdin, output, terminal: this.isTerminal });
    this.#readline.on("SIGINT", onInterrupt);
    this.#readline.on("line", (line) => {
      this.#lines.push(line);
      this.#serve();
    });
    this.#readline.on("close", () => {
      this.#closed = true;
      this.#serve();
    });
  }

  /**
   * The next line without its end; null at the end of the input.
   * @param prompt shown on a terminal
   */
  next(prompt: string): Promise<string | null> {
    if (this.isTerminal && !this.#closed) {
      this.#readline.setPrompt(prompt);
      this.#readline.prompt();
    }
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#serve();
    });
  }

  /** Takes back what has been typed of the line. @returns false where there was nothing */
  discardTyped(): boolean {
    if (!this.isTerminal || this.#readline.line === "") return false;
    this.#readline.write(null, { ctrl: true, name: "e" });
    this.#readline.write(null, { ctrl: true, name: "u" });
    return true;
  }

  /** Ends the input here; lines that wait are dropped. */
  close(): void {
    this.#lines.length = 0;
    this.#readline.close();
  }

  #serve(): void {
    if (this.#waiting === null || (this.#lines.length === 0 && !this.#closed)) return;
    const resolve = this.#waiting;
    this.#waiting = null;
    resolve(this.#lines.shift() ?? null);
  }
}
