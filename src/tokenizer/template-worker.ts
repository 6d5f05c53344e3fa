import { Worker } from "node:worker_threads";
import { TextError } from "../errors.ts";

/** Messages between TemplateWorker and its thread. */
export interface RenderRequest {
  readonly source: string;
  readonly variables: Readonly<Record<string, unknown>>;
}
export type RenderReply = { readonly text: string } | { readonly error: string };

export interface TemplateWorkerOptions {
  /** Milliseconds that one rendering may take (default 2000); starting the thread does not count. */
  timeLimit?: number;
  /** Megabytes of heap that the thread may use (default 128). */
  memoryLimit?: number;
}

interface Job {
  readonly request: RenderRequest;
  readonly done: (text: string) => void;
  readonly failed: (error: TextError) => void;
}

/**
 * Renders chat templates (JinjaTemplate) in a thread of its own, one at a time, so that a template of a model file that
 * loops or fills memory costs its own request and nothing else: the thread is ended, and the next rendering starts
 * another. The thread starts with the first rendering and does not keep the process alive while idle. Owner: whoever
 * made it, who calls `close()`.
 */
export class TemplateWorker {
  readonly #timeLimit: number;
  readonly #memoryLimit: number;
  readonly #queue: Job[] = [];
  #thread: Worker | null = null;
  /** The job that the thread works on. */
  #current: Job | null = null;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor({ timeLimit = 2000, memoryLimit = 128 }: TemplateWorkerOptions = {}) {
    this.#timeLimit = timeLimit;
    this.#memoryLimit = memoryLimit;
  }

  /**
   * @param variables JSON values by name
   * @throws TextError as JinjaTemplate does, for a rendering beyond the limits, and after `close()`
   */
  render(source: string, variables: Readonly<Record<string, unknown>>): Promise<string> {
    return new Promise((done, failed) => {
      this.#queue.push({ request: { source, variables }, done, failed });
      this.#next();
    });
  }

  /** Ends the thread; renderings that wait fail. Calling it again does nothing. */
  async close(): Promise<void> {
    this.#closed = true;
    const thread = this.#thread;
    this.#thread = null;
    this.#settle((job) => job.failed(new TextError("the chat template renderer was closed")));
    await thread?.terminate();
  }

  #next(): void {
    if (this.#current !== null) return;
    const job = this.#queue.shift();
    if (job === undefined) {
      this.#thread?.unref();
      return;
    }
    if (this.#closed) {
      job.failed(new TextError("the chat template renderer was closed"));
      this.#next();
      return;
    }
    this.#current = job;
    try {
      this.#thread ??= this.#start();
      this.#thread.ref();
      this.#thread.postMessage(job.request);
    } catch (cause) {
      // For example a function among the variables, which cannot be sent to a thread.
      this.#settle((job) => job.failed(new TextError(`chat template: cannot be rendered: ${cause}`, { cause })));
    }
  }

  #start(): Worker {
    // From sources the thread is a TypeScript file too; in the bundle it is an entry of its own beside this file.
    const entry = import.meta.url.endsWith(".ts") ? "./template-thread.ts" : "./template-thread.mjs";
    const thread = new Worker(new URL(entry, import.meta.url), {
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: this.#memoryLimit, maxYoungGenerationSizeMb: 32 },
    });
    thread.on("message", (reply: RenderReply | "started") => {
      if (this.#thread !== thread) return;
      if (reply === "started") this.#startClock();
      else this.#settle((job) => ("text" in reply ? job.done(reply.text) : job.failed(new TextError(reply.error))));
    });
    const lost = (reason: string) => {
      if (this.#thread !== thread) return;
      this.#thread = null;
      this.#settle((job) => job.failed(new TextError(`chat template: ${reason}`)));
    };
    thread.on("error", (error: Error & { code?: string }) =>
      lost(
        error.code === "ERR_WORKER_OUT_OF_MEMORY"
          ? `needs more than ${this.#memoryLimit} MB of memory`
          : `the rendering thread failed: ${error.message}`,
      ),
    );
    thread.on("exit", () => lost("the rendering thread ended"));
    return thread;
  }

  #startClock(): void {
    this.#timer = setTimeout(() => {
      const thread = this.#thread;
      this.#thread = null;
      this.#settle((job) => job.failed(new TextError(`chat template: stopped after ${this.#timeLimit} ms`)));
      void thread?.terminate();
    }, this.#timeLimit);
  }

  #settle(finish: (job: Job) => void): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const job = this.#current;
    this.#current = null;
    if (job !== null) finish(job);
    this.#next();
  }
}
