import { type Signal, signal } from "@preact/signals";
import type { ModelCard } from "../../src/protocol/models.ts";
import { type Failure, ServerError } from "../server/failure.ts";
import { type ChatFields, fetchHealth, fetchModels } from "../server/requests.ts";

/** `loading`: the server is there and its model is not yet. */
export type Connection = "connecting" | "loading" | "ready" | "key" | "unreachable" | "failed";

const POLL_MS = 1000;
const SHORT_MS = 50;
/** An answer that has not begun by then may wait for its model to be loaded. */
const PATIENCE_MS = 400;
/** Each look is a request that counts towards the limits of the server. */
const LOOK_MS = 2000;

/** Whether the server answers, and with which models. */
export class ServerWatch {
  readonly connection: Signal<Connection> = signal("connecting");
  /** Of a failure, for people. */
  readonly message: Signal<string> = signal("");
  readonly models: Signal<readonly ModelCard[]> = signal([]);
  readonly #apiKey: () => string;
  #watching = false;

  constructor(apiKey: () => string) {
    this.#apiKey = apiKey;
  }

  /** Asks until the model is ready, or a key is wanted. Does nothing where that is under way. */
  async watch(): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    try {
      while (!(await this.#isSettled())) await pause(POLL_MS);
    } finally {
      this.#watching = false;
    }
  }

  /** A request has failed: the server may be gone, or want a key. */
  onFailure({ kind, message }: Failure): void {
    if (kind === "key") this.#set("key", message);
    if (kind === "unreachable" || kind === "broken") void this.watch();
  }

  /**
   * Passes an answer on, which is asked for when the server has loaded its first model. Until it begins, looks whether its
   * own model is being loaded: `models` tells.
   * @throws what `chunks` throws; while there is nothing to ask, the signal's reason
   */
  async *follow<T>(model: ChatFields["model"], chunks: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
    for (; this.connection.value === "loading"; await pause(SHORT_MS)) signal.throwIfAborted();
    const answer = { begun: false };
    void this.#lookAfter(model, answer).catch(() => {}); // the answer itself tells what is wrong
    try {
      for await (const chunk of chunks) {
        answer.begun = true;
        yield chunk;
      }
    } finally {
      answer.begun = true;
    }
  }

  /** Where a look has seen another state than loaded, there is one more when the answer has begun. */
  async #lookAfter(model: ChatFields["model"], answer: { readonly begun: boolean }): Promise<void> {
    if (this.models.value.length < 2) return; // the only one is loaded since the server has started
    await pause(PATIENCE_MS);
    for (let over = answer.begun; !over; await pause(LOOK_MS)) {
      over = answer.begun;
      this.models.value = await fetchModels(this.#apiKey());
      over ||= this.models.value.find(({ id }) => id === model)?.state === "loaded";
    }
  }

  async #isSettled(): Promise<boolean> {
    try {
      const health = await fetchHealth();
      if (health.status === "loading") this.#set("loading");
      else if (health.status === "failed") this.#set("failed", health.message);
      else {
        this.models.value = await fetchModels(this.#apiKey());
        this.#set("ready");
        return true;
      }
    } catch (error) {
      const { kind, message } =
        error instanceof ServerError ? error.failure : { kind: "failed" as const, message: String(error) };
      this.#set(kind === "key" || kind === "unreachable" ? kind : "failed", message);
      return kind === "key";
    }
    return false;
  }

  #set(connection: Connection, message = ""): void {
    this.connection.value = connection;
    this.message.value = message;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
