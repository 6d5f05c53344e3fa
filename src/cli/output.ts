import type { Io, OutputStream } from "./io.ts";

/** All control characters but tab and newline. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/**
 * Writes text to a stream as it is. On a terminal, control characters are shown as a sign instead: text of models and
 * names out of files could otherwise move the cursor or rename the window.
 */
export class Output {
  readonly isTerminal: boolean;
  readonly #stream: OutputStream;
  readonly #styled: boolean;

  constructor(stream: OutputStream, env: Io["env"]) {
    this.isTerminal = stream.isTTY ?? false;
    this.#stream = stream;
    // no-color.org: any value but the empty one
    this.#styled = this.isTerminal && !env.NO_COLOR;
  }

  write(text: string): Promise<void> {
    return this.#put(this.#shown(text));
  }

  line(text: string): Promise<void> {
    return this.write(`${text}\n`);
  }

  /** In a fainter colour, where there are colours. */
  dim(text: string): Promise<void> {
    return this.#put(this.#styled && text !== "" ? `\x1b[2m${this.#shown(text)}\x1b[22m` : this.#shown(text));
  }

  /** Replaces the terminal's current line; nothing elsewhere. */
  async status(text: string): Promise<void> {
    if (this.isTerminal) await this.#put(`\r\x1b[K${this.#shown(text)}`);
  }

  #shown(text: string): string {
    return this.isTerminal ? text.replace(CONTROLS, "\uFFFD") : text;
  }

  /** @throws the stream's error, e.g. EPIPE */
  #put(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.write(text, (error) => (error ? reject(error) : resolve()));
    });
  }
}

/** True for the error of writing to a pipe whose reader has left. */
export function isClosedPipe(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === "EPIPE" || code === "ERR_STREAM_DESTROYED";
}
