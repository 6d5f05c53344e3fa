import type { ServedModel } from "../engine/generation.ts";
import { ApiError, ConfigError } from "../errors.ts";
import type { Health } from "../protocol/health.ts";
import type { ModelCard } from "../protocol/models.ts";
import { type Lease, ModelSlot, type ModelSource, type OpenModel, type SlotHost } from "./model-slot.ts";

export interface DirectoryOptions {
  /** Memory that the loaded models may take together. Default: no limit. */
  readonly memoryBytes?: number;
  /** How long a model that is to be loaded waits for the memory of others, in milliseconds. Default 120 000. */
  readonly roomTimeoutMs?: number;
}

/** Seconds after which whoever found no room may try again. */
const BUSY_RETRY_SECONDS = 5;

/**
 * The models of a server: loaded when they are first used, and where memory is limited the one unused for longest makes room.
 * One that is used is never unloaded: its answers end first.
 */
export class ModelDirectory {
  readonly #slots: readonly ModelSlot[];
  readonly #memoryBytes: number;
  readonly #roomTimeoutMs: number;
  readonly #sleepers = new Set<() => void>();
  #startup: "running" | "done" | Error = "done";
  #closing: Promise<void> | null = null;

  /**
   * @param sources of different names, the default model first
   * @param open the first, where it is loaded already
   */
  constructor(
    sources: readonly ModelSource[],
    { memoryBytes = Infinity, roomTimeoutMs = 120_000 }: DirectoryOptions = {},
    open?: OpenModel,
  ) {
    const host: SlotHost = { makeRoom: (slot) => this.#makeRoom(slot), changed: () => this.#wake() };
    this.#slots = sources.map((source, i) => new ModelSlot(source, host, i === 0 ? open : undefined));
    this.#memoryBytes = memoryBytes;
    this.#roomTimeoutMs = roomTimeoutMs;
  }

  /** A directory of one model that someone else owns, also one that is still being loaded. */
  static of(model: ServedModel | Promise<ServedModel>): ModelDirectory {
    const open = (model: ServedModel) => ({ model, bytes: null, close: async () => {} });
    const load = async () => open(await model);
    const describe = async () => {
      const { contextSize, created, description } = await model;
      return { contextSize, created, description, bytes: null };
    };
    if (!(model instanceof Promise)) return new ModelDirectory([{ name: model.id, describe, load }], {}, open(model));
    const directory = new ModelDirectory([{ name: "model", describe, load }]);
    directory.start().catch(() => {}); // told by health and routes
    return directory;
  }

  /**
   * Loads the default model; until then requests are asked to come back. Call once, before the first request.
   * @param load false: only looks whether the models are there and not too large
   * @param signal its abort closes the directory
   * @throws what describing or loading a model throws; ConfigError for one that --memory cannot hold
   */
  async start({ load = true, signal }: { readonly load?: boolean; readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#startup = "running";
    const onAbort = () => void this.close();
    signal?.addEventListener("abort", onAbort);
    try {
      signal?.throwIfAborted();
      const [first] = this.#slots;
      for (const slot of this.#slots) if (slot !== first || !load) await this.#describe(slot);
      if (load) (await first!.acquire(new AbortController().signal)).release();
      this.#startup = "done";
    } catch (error) {
      const cause = error instanceof ApiError && error.cause instanceof Error ? error.cause : error;
      this.#startup = cause instanceof Error ? cause : new Error(String(cause));
      throw this.#startup;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * The model that answers requests for `name`, loaded; without a name, or where there is only one, the default.
   * @throws ApiError 404 for an unknown name, 503 while the server starts, as ModelSlot.acquire; the signal's reason
   */
  async acquire(name: string | undefined, signal: AbortSignal): Promise<Lease> {
    this.#checkStarted();
    const alone = this.#slots.length === 1 || name === undefined;
    return (alone ? this.#slots[0]! : this.#find(name)).acquire(signal);
  }

  /** @throws ApiError 404, 503 and 500 as acquire */
  async load(name: string, signal: AbortSignal): Promise<ModelCard> {
    this.#checkStarted();
    const slot = this.#find(name);
    (await slot.acquire(signal)).release();
    return toCard(slot);
  }

  /**
   * Unloads a model once its answers have ended; requests that come meanwhile wait and load it again.
   * @throws ApiError 404, 503; the signal's reason, and then the model stays
   */
  async unload(name: string, signal: AbortSignal): Promise<ModelCard> {
    this.#checkStarted();
    const slot = this.#find(name);
    const by = {};
    try {
      slot.drain(by);
      while (slot.state !== "unloaded") {
        signal.throwIfAborted();
        await this.#change({ signal });
      }
      return toCard(slot);
    } finally {
      slot.undrain(by);
    }
  }

  /** @throws ApiError 503 while the server starts, 500 when that failed */
  list(): ModelCard[] {
    this.#checkStarted();
    return this.cards();
  }

  /** @throws ApiError 404 for any but the real name, else as list */
  get(name: string): ModelCard {
    this.#checkStarted();
    return toCard(this.#find(name));
  }

  /** As list, at any time. */
  cards(): ModelCard[] {
    return this.#slots.map(toCard);
  }

  /** Those that can answer now. */
  loaded(): ServedModel[] {
    return this.#slots.flatMap(({ model }) => model ?? []);
  }

  health(): Health {
    if (this.#startup === "running") return { status: "loading" };
    if (this.#startup instanceof Error) return { status: "failed", message: this.#startup.message };
    return { status: "ok", model: this.#slots[0]!.id };
  }

  /** Breaks off what is being loaded and unloads all models; answers that are still made end with an error. */
  close(): Promise<void> {
    this.#closing ??= Promise.all(this.#slots.map((slot) => slot.close())).then(() => {});
    this.#wake();
    return this.#closing;
  }

  get #limited(): boolean {
    return this.#memoryBytes !== Infinity;
  }

  #checkStarted(): void {
    if (this.#startup === "running")
      throw new ApiError(503, "the model is still loading: try again soon", { code: "model_loading" });
    if (this.#startup instanceof Error) {
      const message = `the model could not be loaded: ${this.#startup.message}`;
      throw new ApiError(500, message, { code: "model_failed" });
    }
  }

  #find(name: string): ModelSlot {
    const found = this.#slots.find(({ id }) => id === name);
    if (found !== undefined) return found;
    const names = this.#slots.map(({ id }) => JSON.stringify(id)).join(", ");
    throw new ApiError(404, `no model of this name is served here, but ${names}`, {
      param: "model",
      code: "model_not_found",
    });
  }

  /** Reads what the model is. @throws ConfigError where it can never be loaded */
  async #describe(slot: ModelSlot): Promise<void> {
    const info = await slot.source.describe();
    slot.info = info;
    if (!this.#limited) return;
    const name = JSON.stringify(slot.id);
    if (info.bytes === null)
      throw new ConfigError("--memory", `the backend cannot tell what model ${name} takes: leave --memory away`);
    if (info.bytes <= this.#memoryBytes) return;
    throw new ConfigError(
      "--memory",
      `model ${name} takes ${info.bytes} bytes, but all models together may take ${this.#memoryBytes}: ` +
        "raise the limit, or lower --ctx-size or --parallel",
    );
  }

  async #makeRoom(slot: ModelSlot): Promise<boolean> {
    if (!this.#limited) return true;
    await this.#describe(slot);
    const bytes = slot.info!.bytes!;
    const others = this.#slots.filter((other) => other !== slot);
    const until = performance.now() + this.#roomTimeoutMs;
    const by = {};
    try {
      while (slot.wanted && this.#closing === null) {
        const missing = others.reduce((sum, { reserved }) => sum + reserved, bytes) - this.#memoryBytes;
        if (missing <= 0) {
          slot.reserved = bytes;
          return true;
        }
        const victims = choose(others, missing);
        for (const other of others) if (victims.has(other)) other.drain(by);
        for (const other of others) if (!victims.has(other)) other.undrain(by);
        const left = until - performance.now();
        if (left <= 0) throw noRoom(slot, others);
        await this.#change({ timeoutMs: left });
      }
      return false;
    } finally {
      for (const other of others) other.undrain(by);
    }
  }

  /** Resolves when something has changed, `signal` aborts or the time is up. */
  #change({ signal, timeoutMs }: { readonly signal?: AbortSignal; readonly timeoutMs?: number }): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", wake);
        this.#sleepers.delete(wake);
        resolve();
      };
      const timer = timeoutMs === undefined ? undefined : setTimeout(wake, timeoutMs);
      signal?.addEventListener("abort", wake, { once: true });
      this.#sleepers.add(wake);
    });
  }

  #wake(): void {
    for (const wake of this.#sleepers) wake();
  }
}

/** Whose memory would be enough: those that go anyway, then idle ones, then used ones, each the longest unused first. */
function choose(slots: readonly ModelSlot[], missing: number): Set<ModelSlot> {
  const rank = ({ idle, state }: ModelSlot) => (state === "unloading" && idle ? 0 : idle ? 1 : 2);
  const candidates = slots
    .filter(({ evictable, reserved }) => evictable && reserved > 0)
    .sort((a, b) => rank(a) - rank(b) || a.lastUsed - b.lastUsed);
  const chosen = new Set<ModelSlot>();
  let freed = 0;
  for (const slot of candidates) {
    if (freed >= missing) break;
    chosen.add(slot);
    freed += slot.reserved;
  }
  return chosen;
}

function noRoom(slot: ModelSlot, others: readonly ModelSlot[]): ApiError {
  const names = others.filter(({ reserved }) => reserved > 0).map(({ id }) => JSON.stringify(id));
  const message = `there is no memory for model ${JSON.stringify(slot.id)} while ${names.join(", ")} are in use: try again later`;
  return new ApiError(503, message, { code: "model_busy", retryAfter: BUSY_RETRY_SECONDS });
}

function toCard({ id, info, reserved, state }: ModelSlot): ModelCard {
  return {
    id,
    object: "model",
    created: info?.created ?? 0,
    owned_by: "deepts",
    description: info?.description ?? "",
    context_length: info?.contextSize ?? null,
    state,
    memory_bytes: reserved > 0 ? reserved : (info?.bytes ?? null),
  };
}
