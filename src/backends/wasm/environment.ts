import type { Message, Reply } from "./thread.ts";

/** What the backend needs from where it runs: Node (node-environment.ts) or a browser (web-environment.ts). */
export interface Environment {
  /** Threads that compute where the caller names no number. */
  readonly threads: number;
  /** Whether threads may share memory: a page must be cross-origin isolated for it. */
  readonly sharedMemory: boolean;
  /** The bytes of a module of `npm run build:wasm`. @throws BackendUnavailableError */
  readModule(name: string): Promise<BufferSource>;
  startThread(onReply: (reply: Reply) => void, onEnd: (why: string) => void): ModuleThread;
}

/** A thread that runs serveModule() of thread.ts. */
export interface ModuleThread {
  post(message: Message, transfer?: readonly Transferable[]): void;
  /** Whether it keeps the process alive; at first it does not. */
  hold(busy: boolean): void;
  end(): void;
}
