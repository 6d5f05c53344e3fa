import { type PassThrough, Readable, Writable } from "node:stream";
import type { Io, OutputStream, StopSignal } from "../../src/cli/io.ts";
import { main } from "../../src/cli/main.ts";

/** A stream that remembers its text. */
class Collector extends Writable {
  text = "";
  readonly isTTY: boolean;
  readonly #onText: (text: string) => void;

  constructor(isTTY: boolean, onText: (text: string) => void) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
    this.#onText = onText;
  }

  override _write(chunk: string | Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    this.text += Buffer.from(chunk as string).toString();
    this.#onText(this.text);
    done();
  }
}

export interface TestIoOptions {
  /** stdin, all of it. Default empty. */
  readonly input?: string | Uint8Array;
  /** stdin that the test writes to. */
  readonly stdin?: PassThrough;
  /** stdout and stderr are a terminal. Default false. */
  readonly terminal?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdout?: OutputStream;
  /** Sees all of stdout after each write. */
  readonly onOutput?: (text: string) => void;
  /** Sees all of stderr after each write. */
  readonly onError?: (text: string) => void;
}

/** A world for one command. */
export class TestIo implements Io {
  readonly stdin: Io["stdin"];
  readonly stdout: OutputStream;
  readonly stderr: Collector;
  readonly env: Readonly<Record<string, string>>;
  readonly #out: Collector;
  readonly #handlers = new Set<(signal: StopSignal) => void>();

  constructor({
    input = "",
    stdin,
    terminal = false,
    env = {},
    stdout,
    onOutput = () => {},
    onError = () => {},
  }: TestIoOptions = {}) {
    this.stdin = stdin ?? Readable.from([Buffer.from(input as string)]);
    this.#out = new Collector(terminal, onOutput);
    this.stdout = stdout ?? this.#out;
    this.stderr = new Collector(terminal, onError);
    this.env = env;
  }

  get out(): string {
    return this.#out.text;
  }

  get err(): string {
    return this.stderr.text;
  }

  onSignal(handler: (signal: StopSignal) => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  /** Whether a signal would be handled, and not end the process. */
  get handlesSignals(): boolean {
    return this.#handlers.size > 0;
  }

  send(signal: StopSignal): void {
    for (const handler of this.#handlers) handler(signal);
  }
}

/** Runs one command line in this process. */
export async function runCli(argv: readonly string[], options: TestIoOptions = {}) {
  const io = new TestIo(options);
  const code = await main(argv, io);
  return { code, stdout: io.out, stderr: io.err };
}
