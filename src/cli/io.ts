import { addAbortSignal, type Readable } from "node:stream";

export type StopSignal = "SIGINT" | "SIGTERM";

export type InputStream = Readable & { readonly isTTY?: boolean };
export type OutputStream = NodeJS.WritableStream & { readonly isTTY?: boolean };

/** What a command sees of the world around it; tests bring their own. */
export interface Io {
  readonly stdin: InputStream;
  /** Results. */
  readonly stdout: OutputStream;
  /** Everything else: progress, notes, errors. */
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Calls `handler` on each signal, which then does not end the process, until the returned function is called. */
  onSignal(handler: (signal: StopSignal) => void): () => void;
}

/** The process itself. */
export function processIo(): Io {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    onSignal(handler) {
      process.on("SIGINT", handler);
      process.on("SIGTERM", handler);
      return () => {
        process.off("SIGINT", handler);
        process.off("SIGTERM", handler);
      };
    },
  };
}

/** All bytes of stdin. @throws the signal's reason */
export async function readStdin({ stdin }: Io, signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of addAbortSignal(signal, stdin)) chunks.push(Buffer.from(chunk));
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
  return Buffer.concat(chunks);
}
