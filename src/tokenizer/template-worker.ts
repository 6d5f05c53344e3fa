import { TextError } from "../errors.ts";

/** Messages between TemplateWorker and its thread. */
export interface RenderRequest {
  readonly source: string;
  readonly variables: Readonly<Record<string, unknown>>;
}
/** `started` comes before each text, so that starting the thread costs no template its time. */
export type RenderReply = "started" | { readonly text: string } | { readonly error: string };

/** A thread that runs serveTemplates() of template-server.ts. */
export interface TemplateThread {
  /** @throws where the request cannot be sent to a thread */
  post(request: RenderRequest): void;
  /** Whether it keeps the process alive. */
  hold(busy: boolean): void;
  end(): Promise<unknown>;
}

/** How a thread is started depends on where this runs: template-node.ts, template-web.ts. */
export type StartTemplateThread = (
  onReply: (reply: RenderReply) => void,
  onEnd: (reason: string) => void,
) => TemplateThread;

export interface TemplateWorkerOptions {
  /** Milliseconds that one rendering may take (default 2000); starting the thread does not count. */
  timeLimit?: number;
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
  readonly #startThread: StartTemplateThread;
  readonly #timeLimit: number;
  readonly #queue: Job[] = [];
  #thread: TemplateThread | null = null;
  /** The job that the thread works on. */
  #current: Job | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #closed = false;

  constructor(startThread: StartTemplateThread, { timeLimit = 2000 }: TemplateWorkerOptions = {}) {
    this.#startThread = startThread;
    this.#timeLimit = timeLimit;
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
    await thread?.end();
  }

  #next(): void {
    if (this.#current !== null) return;
    const job = this.#queue.shift();
    if (job === undefined) {
      this.#thread?.hold(false);
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
      this.#thread.hold(true);
      this.#thread.post(job.request);
    } catch (cause) {
      // For example a function among the variables, which cannot be sent to a thread.
      this.#settle((job) => job.failed(new TextError(`chat template: cannot be rendered: ${cause}`, { cause })));
    }
  }

  #start(): TemplateThread {
    const thread = this.#startThread(
      (reply) => {
        if (this.#thread !== thread) return;
        if (reply === "started") this.#startClock();
        else this.#settle((job) => ("text" in reply ? job.done(reply.text) : job.failed(new TextError(reply.error))));
      },
      (reason) => {
        if (this.#thread !== thread) return;
        this.#thread = null;
        this.#settle((job) => job.failed(new TextError(`chat template: ${reason}`)));
      },
    );
    return thread;
  }

  #startClock(): void {
    this.#timer = setTimeout(() => {
      const thread = this.#thread;
      this.#thread = null;
      this.#settle((job) => job.failed(new TextError(`chat template: stopped after ${this.#timeLimit} ms`)));
      void thread?.end();
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
