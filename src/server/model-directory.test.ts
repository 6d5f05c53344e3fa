import fc from "fast-check";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { ScriptedModel } from "../../test/server/scripted-model.ts";
import { FormatError } from "../errors.ts";
import { type DirectoryOptions, ModelDirectory } from "./model-directory.ts";
import type { Lease, ModelSource } from "./model-slot.ts";

/** Sources that know what they hold, and fail the test where a model is loaded twice or closed while it is used. */
class Shelf {
  readonly leases = new Map<string, number>();
  readonly events: string[] = [];
  /** Fails the next load of these. */
  readonly broken = new Set<string>();
  /** How loading and closing take their time. Default: at once. */
  pass: (what: string) => Promise<unknown> = () => Promise.resolve();
  held = 0;
  most = 0;
  readonly #held = new Set<string>();

  source(name: string, bytes: number): ModelSource {
    const { created, description, contextSize } = new ScriptedModel();
    return {
      name,
      describe: async () => ({ created, description, contextSize, bytes }),
      load: async (signal) => {
        if (this.#held.has(name)) throw new Error(`${name} is loaded twice`);
        this.#held.add(name);
        this.held += bytes;
        this.most = Math.max(this.most, this.held);
        const drop = () => {
          this.#held.delete(name);
          this.held -= bytes;
        };
        try {
          await this.pass(`load ${name}`);
          signal.throwIfAborted();
          if (this.broken.delete(name)) throw new FormatError(`${name}.gguf`, 4, "no GGUF version");
        } catch (error) {
          drop();
          throw error;
        }
        this.events.push(`loaded ${name}`);
        const close = async () => {
          if ((this.leases.get(name) ?? 0) > 0) this.events.push(`closed ${name} under a request`);
          await this.pass(`close ${name}`);
          this.events.push(`closed ${name}`);
          drop();
        };
        return { model: Object.assign(new ScriptedModel(), { id: name }), bytes, close };
      },
    };
  }

  open(models: Record<string, number>, options: DirectoryOptions = {}): ModelDirectory {
    return new ModelDirectory(
      Object.entries(models).map(([name, bytes]) => this.source(name, bytes)),
      options,
    );
  }

  /** A lease whose time is counted. */
  async use(directory: ModelDirectory, name: string, signal = never()): Promise<Lease> {
    const { model, release } = await directory.acquire(name, signal);
    const count = (by: number) => this.leases.set(name, (this.leases.get(name) ?? 0) + by);
    count(1);
    return {
      model,
      release: () => {
        count(-1);
        release();
      },
    };
  }
}

function never(): AbortSignal {
  return new AbortController().signal;
}

/** A promise that a test settles. */
function gate() {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

const states = (directory: ModelDirectory) => Object.fromEntries(directory.cards().map(({ id, state }) => [id, state]));

describe("a directory of models", () => {
  test("loads a model when it is first used, once for all who ask, and finds it by its name", async () => {
    const shelf = new Shelf();
    const directory = shelf.open({ small: 1, big: 2 });
    await directory.start();
    expect(states(directory)).toEqual({ small: "loaded", big: "unloaded" });
    const leases = await Promise.all([1, 2, 3].map(() => directory.acquire("big", never())));
    expect(leases.map(({ model }) => model.id)).toEqual(["big", "big", "big"]);
    expect((await directory.acquire(undefined, never())).model.id).toBe("small");
    expect(shelf.events).toEqual(["loaded small", "loaded big"]);
    expect(directory.get("big")).toMatchObject({ state: "loaded", memory_bytes: 2, context_length: 4096 });
    await expect(directory.acquire("other", never())).rejects.toMatchObject({
      status: 404,
      code: "model_not_found",
      message: expect.stringContaining('"small", "big"'),
    });
  });

  test("answers to any name where there is one model", async () => {
    const directory = new Shelf().open({ small: 1 });
    expect((await directory.acquire("deepseek-v3", never())).model.id).toBe("small");
    expect(() => directory.get("deepseek-v3")).toThrow(/no model of this name/);
  });

  test("unloads the model that has been unused for longest, and never more than it has to", async () => {
    const shelf = new Shelf();
    const directory = shelf.open({ a: 1, b: 1, c: 1 }, { memoryBytes: 2 });
    for (const name of ["a", "b", "a", "c"]) (await directory.acquire(name, never())).release();
    expect(shelf.events).toEqual(["loaded a", "loaded b", "closed b", "loaded c"]);
    expect(shelf.most).toBe(2);
    expect(states(directory)).toEqual({ a: "loaded", b: "unloaded", c: "loaded" });
  });

  test("leaves a model in peace while it is used; who comes later waits until the other has had its turn", async () => {
    const shelf = new Shelf();
    const directory = shelf.open({ a: 1, b: 1 }, { memoryBytes: 1 });
    const first = await shelf.use(directory, "a");
    const other = shelf.use(directory, "b");
    await expect.poll(() => states(directory)).toEqual({ a: "unloading", b: "loading" });
    const later = shelf.use(directory, "a");
    expect(shelf.events).toEqual(["loaded a"]);
    first.release();
    (await other).release();
    (await later).release();
    expect(shelf.events).toEqual(["loaded a", "closed a", "loaded b", "closed b", "loaded a"]);
  });

  test("would rather unload an idle model than wait for one that has been in use for longer", async () => {
    const shelf = new Shelf();
    const directory = shelf.open({ a: 1, b: 1, c: 1 }, { memoryBytes: 2 });
    const [a, b] = [await shelf.use(directory, "a"), await shelf.use(directory, "b")];
    const { passed, open } = gate();
    shelf.pass = (what) => (what === "close b" ? passed : Promise.resolve());
    const other = shelf.use(directory, "c");
    await expect.poll(() => states(directory)).toEqual({ a: "unloading", b: "loaded", c: "loading" });
    b.release();
    await expect.poll(() => states(directory)).toEqual({ a: "loaded", b: "unloading", c: "loading" });
    a.release();
    open();
    await other;
    expect(states(directory)).toEqual({ a: "loaded", b: "unloaded", c: "loaded" });
  });

  test("gives up on room after a while, says who has it, and lets those go on who waited behind", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const shelf = new Shelf();
    const directory = shelf.open({ a: 1, b: 1 }, { memoryBytes: 1, roomTimeoutMs: 60_000 });
    const first = await shelf.use(directory, "a");
    const other = directory.acquire("b", never());
    other.catch(() => {}); // looked at below
    await new Promise(setImmediate);
    const behind = directory.acquire("a", never());
    vi.advanceTimersByTime(59_999);
    await new Promise(setImmediate);
    expect(states(directory)).toEqual({ a: "unloading", b: "loading" });
    vi.advanceTimersByTime(1);
    await expect(other).rejects.toMatchObject({
      status: 503,
      code: "model_busy",
      retryAfter: 5,
      message: 'there is no memory for model "b" while "a" are in use: try again later',
    });
    expect((await behind).model).toBe(first.model);
    expect(states(directory)).toEqual({ a: "loaded", b: "unloaded" });
  });

  test("goes on loading for the others when one who waits leaves", async () => {
    const shelf = new Shelf();
    const { passed, open } = gate();
    shelf.pass = () => passed;
    const directory = shelf.open({ a: 1 });
    const abort = new AbortController();
    const [left, stayed] = [directory.acquire("a", abort.signal), directory.acquire("a", never())];
    abort.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    await expect(directory.acquire("a", abort.signal)).rejects.toThrow("gone");
    open();
    expect((await stayed).model.id).toBe("a");
    expect(shelf.events).toEqual(["loaded a"]);
  });

  test("takes no one's memory for a model that no one waits for any more", async () => {
    const shelf = new Shelf();
    const directory = shelf.open({ a: 1, b: 1 }, { memoryBytes: 1 });
    const first = await shelf.use(directory, "a");
    const abort = new AbortController();
    const left = directory.acquire("b", abort.signal);
    await expect.poll(() => states(directory).a).toBe("unloading");
    abort.abort();
    await expect(left).rejects.toThrow();
    await expect.poll(() => states(directory)).toEqual({ a: "loaded", b: "unloaded" });
    first.release();
    expect(shelf.events).toEqual(["loaded a"]);
  });

  test("tells all who wait why a model cannot be loaded, and tries again for the next", async () => {
    const shelf = new Shelf();
    const directory = shelf.open({ a: 1 });
    shelf.broken.add("a");
    const failed = {
      status: 500,
      code: "model_failed",
      message: expect.stringMatching(/^model "a" .* no GGUF version$/),
    };
    const both = [directory.acquire("a", never()), directory.acquire("a", never())];
    for (const one of both) await expect(one).rejects.toMatchObject(failed);
    expect(states(directory)).toEqual({ a: "unloaded" });
    expect((await directory.acquire("a", never())).model.id).toBe("a");
  });

  test("says nothing of an error that is not meant for people", async () => {
    const shelf = new Shelf();
    shelf.pass = () => Promise.reject(new Error("/home/me/secret.gguf"));
    const refusal = await shelf
      .open({ a: 1 })
      .acquire("a", never())
      .catch((error: Error) => error);
    expect(refusal).toMatchObject({ status: 500, message: expect.not.stringContaining("secret") });
    expect((refusal as Error).cause).toMatchObject({ message: "/home/me/secret.gguf" });
  });

  test("refuses at its start a model that memory can never hold", async () => {
    const directory = new Shelf().open({ a: 1, b: 9 }, { memoryBytes: 8 });
    const says = /--memory: model "b" takes 9 bytes, but all models together may take 8/;
    await expect(directory.start()).rejects.toThrow(says);
    expect(directory.health()).toMatchObject({ status: "failed", message: expect.stringMatching(says) });
    await expect(directory.acquire("a", never())).rejects.toMatchObject({ status: 500, code: "model_failed" });
  });

  test("needs no model loaded to start, and still finds one that is not there", async () => {
    const shelf = new Shelf();
    const directory = shelf.open({ a: 1, b: 1 });
    await directory.start({ load: false });
    expect(directory.health()).toEqual({ status: "ok", model: "a" });
    expect(directory.list()).toMatchObject([
      { id: "a", state: "unloaded", memory_bytes: 1, context_length: 4096 },
      { id: "b", state: "unloaded" },
    ]);
    const missing = { ...shelf.source("c", 1), describe: () => Promise.reject(new FormatError("c", 0, "not there")) };
    await expect(new ModelDirectory([shelf.source("a", 1), missing]).start()).rejects.toThrow("not there");
    expect(shelf.events).toEqual([]);
  });

  test("unloads on demand when the last user has left, and loads again for who waited", async () => {
    const shelf = new Shelf();
    const directory = shelf.open({ a: 1 });
    const lease = await shelf.use(directory, "a");
    const unloaded = directory.unload("a", never());
    expect(states(directory)).toEqual({ a: "unloading" });
    const later = shelf.use(directory, "a");
    lease.release();
    lease.release();
    expect(await unloaded).toMatchObject({ id: "a", state: "unloaded" });
    (await later).release();
    expect(shelf.events).toEqual(["loaded a", "closed a", "loaded a"]);
    expect(await directory.load("a", never())).toMatchObject({ state: "loaded" });
    await directory.unload("a", never());
    expect(await directory.unload("a", never())).toMatchObject({ state: "unloaded" });
  });

  test("serves those who waited for a model, also where it shall be unloaded as soon as it is there", async () => {
    const shelf = new Shelf();
    const { passed, open } = gate();
    shelf.pass = () => passed;
    const directory = shelf.open({ a: 1 });
    const lease = shelf.use(directory, "a");
    const unloaded = directory.unload("a", never());
    open();
    (await lease).release();
    expect(await unloaded).toMatchObject({ state: "unloaded" });
    expect(shelf.events).toEqual(["loaded a", "closed a"]);
  });

  test("keeps a model whose unloading is no longer waited for", async () => {
    const shelf = new Shelf();
    const directory = shelf.open({ a: 1 });
    const lease = await shelf.use(directory, "a");
    const abort = new AbortController();
    const unloaded = directory.unload("a", abort.signal);
    abort.abort(new Error("gone"));
    await expect(unloaded).rejects.toThrow("gone");
    lease.release();
    expect(states(directory)).toEqual({ a: "loaded" });
  });

  test("breaks off a load when it is closed, refuses those who wait, and closes everything", async () => {
    const shelf = new Shelf();
    const directory = shelf.open({ a: 1, b: 1, c: 1 }, { memoryBytes: 2 });
    const used = await shelf.use(directory, "a");
    const { passed, open } = gate();
    shelf.pass = () => passed;
    const loading = directory.acquire("b", never());
    const queued = directory.acquire("c", never());
    for (const promise of [loading, queued]) promise.catch(() => {});
    await expect.poll(() => shelf.held).toBe(2);
    const closed = Promise.all([directory.close(), directory.close()]);
    for (const promise of [loading, queued, directory.acquire("a", never())])
      await expect(promise).rejects.toMatchObject({ status: 503, code: "shutting_down" });
    open();
    await closed;
    expect(shelf.held).toBe(0);
    used.release();
  });
});

test("whatever is asked in whatever order: memory suffices, no model is loaded twice or closed while used, and all end", async () => {
  const sizes = { a: 1, b: 2, c: 3, d: 3 };
  const name = fc.constantFrom(...Object.keys(sizes));
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("use" as const), name }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("load" as const), name }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("unload" as const), name }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("break" as const), name }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel" as const), which: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("release" as const), which: fc.nat(9) }) },
  );
  const limit = fc.integer({ min: 3, max: 9 });
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      limit,
      fc.array(step, { maxLength: 40 }),
      async (scheduler, memoryBytes, steps) => {
        const shelf = new Shelf();
        shelf.pass = (what) => scheduler.schedule(Promise.resolve(), what);
        const directory = shelf.open(sizes, { memoryBytes, roomTimeoutMs: 2 ** 30 });
        const aborts: AbortController[] = [];
        const pending: Promise<unknown>[] = [];
        const held: Lease[] = [];
        const run = (work: (signal: AbortSignal) => Promise<unknown>) => {
          const abort = new AbortController();
          aborts.push(abort);
          // Cancelled, or a load that was to fail; anything else is an error of the directory.
          const known = (error: { code?: string }) => {
            if (!abort.signal.aborted && error.code !== "model_failed") throw error;
            if (/twice/.test(String((error as Error).cause))) throw error;
          };
          pending.push(work(abort.signal).catch(known));
        };
        for (const step of steps) {
          if (step.do === "use") {
            run(async (signal) => {
              const lease = await shelf.use(directory, step.name, signal);
              if (signal.aborted) lease.release();
              else held.push(lease);
            });
          } else if (step.do === "load") run((signal) => directory.load(step.name, signal));
          else if (step.do === "unload") run((signal) => directory.unload(step.name, signal));
          else if (step.do === "break") shelf.broken.add(step.name);
          else if (step.do === "cancel") aborts[step.which]?.abort();
          else held.splice(step.which, 1)[0]?.release();
          if (scheduler.count() > 0) await scheduler.waitOne();
          await new Promise(setImmediate);
          expect(shelf.held).toBeLessThanOrEqual(memoryBytes);
        }
        // Everyone leaves in the end: then everyone else must get a turn.
        const settle = async (end: Promise<unknown>) => {
          let over = false;
          const settled = end.finally(() => {
            over = true;
          });
          settled.catch(() => {}); // looked at below
          for (let turn = 0; !over; turn++) {
            if (turn > 1000) throw new Error(`no one gets on: ${JSON.stringify(states(directory))}`);
            for (const lease of held.splice(0)) lease.release();
            if (scheduler.count() > 0) await scheduler.waitOne();
            await new Promise(setImmediate);
          }
          await settled;
        };
        await settle(Promise.all(pending));
        expect(shelf.most).toBeLessThanOrEqual(memoryBytes);
        await settle(directory.close());
        expect(shelf.held).toBe(0);
        expect(shelf.events.filter((event) => event.includes("under a request"))).toEqual([]);
      },
    ),
    { numRuns: 500 },
  );
});
