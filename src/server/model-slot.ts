import type { ServedModel } from "../engine/generation.ts";
import { ApiError, DeepTsError } from "../errors.ts";
import type { ModelState } from "../protocol/models.ts";

/** What is known of a model that need not be loaded. */
export interface ModelInfo {
  readonly description: string;
  /** Unix seconds. */
  readonly created: number;
  /** Tokens that prompt and answer may have together. */
  readonly contextSize: number;
  /** Memory that it takes once it is loaded; null where nobody can tell. */
  readonly bytes: number | null;
}

/** A model that is loaded, and how to be rid of it. */
export interface OpenModel {
  readonly model: ServedModel;
  readonly bytes: number | null;
  close(): Promise<void>;
}

/** Where a model comes from. */
export interface ModelSource {
  readonly name: string;
  /** Reads headers only. @throws as `load` */
  describe(): Promise<ModelInfo>;
  /** @throws FormatError, ConfigError, BackendUnavailableError, or the signal's reason */
  load(signal: AbortSignal): Promise<OpenModel>;
}

/** The right to use a model, which stays loaded until the release. */
export interface Lease {
  readonly model: ServedModel;
  /** May be called twice. */
  release(): void;
}

/** What a slot asks of the directory it belongs to. */
export interface SlotHost {
  /**
   * Sets aside the memory that `slot` will take, once it is free.
   * @returns false where it has to wait and no one wants the model any more
   * @throws ApiError 503 when none gets free
   */
  makeRoom(slot: ModelSlot): Promise<boolean>;
  /** Called after each change of a slot. */
  changed(): void;
}

interface Waiting {
  take(lease: Lease): void;
  fail(error: unknown): void;
}

/** Requests that may wait for one model to be loaded. */
const MAX_WAITING = 256;

/**
 * One model of the server, loaded or not, with those who use it and those who wait for it. It is loaded once for all who
 * wait, and never unloaded while someone uses it: whoever wants it gone keeps newcomers waiting until the last user has left.
 */
export class ModelSlot {
  readonly source: ModelSource;
  /** What the model calls itself once it has been loaded; before, the name it shall have. */
  id: string;
  /** Bytes set aside for it, from before it is loaded until it is gone. */
  reserved = 0;
  /** Of the last lease, on the clock of `performance.now()`. */
  lastUsed = 0;
  /** The latest that is known. */
  info: ModelInfo | null = null;
  readonly #host: SlotHost;
  readonly #waiting = new Set<Waiting>();
  readonly #drains = new Set<object>();
  readonly #abort = new AbortController();
  #phase: "unloaded" | "loading" | "loaded" | "unloading" = "unloaded";
  #open: OpenModel | null = null;
  #leases = 0;
  #task: Promise<void> = Promise.resolve();

  /** @param open where it is loaded already */
  constructor(source: ModelSource, host: SlotHost, open?: OpenModel) {
    this.source = source;
    this.id = source.name;
    this.#host = host;
    if (open !== undefined) this.#opened(open);
  }

  /** Null where it is not loaded. */
  get model(): ServedModel | null {
    return this.#open?.model ?? null;
  }

  get state(): ModelState {
    return this.#phase === "loaded" && this.#drains.size > 0 ? "unloading" : this.#phase;
  }

  /** Its memory is there to be had, at once or later. */
  get evictable(): boolean {
    return this.#phase === "loaded" || this.#phase === "unloading";
  }

  get idle(): boolean {
    return this.#leases === 0;
  }

  /** Someone waits for it. */
  get wanted(): boolean {
    return this.#waiting.size > 0;
  }

  /**
   * Waits until the model is loaded, which it begins where nobody has.
   * @throws ApiError 500 model_failed when it cannot be loaded, 503 when there is no room or the server stops; the signal's reason
   */
  async acquire(signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted();
    if (this.#abort.signal.aborted) throw shuttingDown();
    if (this.#phase === "loaded" && this.#drains.size === 0) return this.#lease(this.#open!);
    if (this.#waiting.size >= MAX_WAITING) {
      const message = `${MAX_WAITING} requests wait for model ${JSON.stringify(this.source.name)}: try again later`;
      throw new ApiError(503, message, { code: "queue_full", retryAfter: 5 });
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(waiting);
        reject(signal.reason);
        this.#host.changed();
      };
      const settled = <T>(settle: (value: T) => void) => {
        return (value: T) => {
          signal.removeEventListener("abort", leave);
          settle(value);
        };
      };
      const waiting: Waiting = { take: settled(resolve), fail: settled(reject) };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.add(waiting);
      this.#settle();
    });
  }

  /** Wants the model gone, until `undrain`: newcomers wait, and once nobody uses it, it is unloaded. */
  drain(by: object): void {
    if (this.#drains.has(by)) return;
    this.#drains.add(by);
    this.#settle();
  }

  /** Wants it gone no longer. */
  undrain(by: object): void {
    if (this.#drains.delete(by)) this.#settle();
  }

  /** Unloads the model, whoever uses it; those who wait get an error. */
  async close(): Promise<void> {
    this.#abort.abort(shuttingDown());
    this.#refuse(shuttingDown());
    await this.#task;
    if (this.#open !== null) this.#unload(this.#open);
    await this.#task;
  }

  /** Does what is to be done next. */
  #settle(): void {
    if (this.#abort.signal.aborted) {
      // close() does the rest.
    } else if (this.#phase === "loaded") {
      if (this.#drains.size === 0) this.#serveWaiting();
      else if (this.#leases === 0) this.#unload(this.#open!);
    } else if (this.#phase === "unloaded" && this.wanted && this.#drains.size === 0) this.#load();
    this.#host.changed();
  }

  #load(): void {
    this.#phase = "loading";
    const load = async () => {
      try {
        if (await this.#host.makeRoom(this)) {
          this.#opened(await this.source.load(this.#abort.signal));
          // Also where it shall go at once: they have waited for this.
          this.#serveWaiting();
        } else this.#phase = "unloaded";
      } catch (error) {
        this.reserved = 0;
        this.#phase = "unloaded";
        this.#refuse(error instanceof ApiError ? error : loadingFailed(this.source.name, error));
      }
      this.#settle();
    };
    this.#task = load();
  }

  #opened(open: OpenModel): void {
    const { model, bytes } = open;
    const { contextSize, created, description } = model;
    this.id = model.id;
    this.#open = open;
    this.#phase = "loaded";
    this.reserved = Math.max(this.reserved, bytes ?? 0);
    this.info = { contextSize, created, description, bytes };
    this.lastUsed = performance.now();
  }

  #unload(open: OpenModel): void {
    this.#phase = "unloading";
    this.#open = null;
    const unload = async () => {
      // What fails here has no one to be told to, and is lost either way.
      await open.close().catch(() => {});
      this.reserved = 0;
      this.#phase = "unloaded";
      this.#settle();
    };
    this.#task = unload();
  }

  #lease({ model }: OpenModel): Lease {
    let held = true;
    this.#leases++;
    this.lastUsed = performance.now();
    const release = () => {
      if (!held) return;
      held = false;
      this.#leases--;
      this.#settle();
    };
    return { model, release };
  }

  #serveWaiting(): void {
    for (const waiting of this.#waiting) waiting.take(this.#lease(this.#open!));
    this.#waiting.clear();
  }

  #refuse(error: unknown): void {
    for (const waiting of this.#waiting) waiting.fail(error);
    this.#waiting.clear();
  }
}

/** The message of an error that is thrown on purpose is for people; others are for the log alone. */
function loadingFailed(name: string, cause: unknown): ApiError {
  const reason = cause instanceof DeepTsError ? `: ${cause.message}` : "; the server's log says why";
  return new ApiError(500, `model ${JSON.stringify(name)} could not be loaded${reason}`, {
    code: "model_failed",
    cause,
  });
}

function shuttingDown(): ApiError {
  return new ApiError(503, "the server is shutting down", { code: "shutting_down" });
}
