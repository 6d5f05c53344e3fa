import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { openCpu } from "../../src/backends/cpu/backend.ts";
import { openReference } from "../../src/backends/reference/backend.ts";
import type { Engine, EngineOptions } from "../../src/engine/engine.ts";
import { openPrefixFiles } from "../../src/engine/prefix-files.ts";
import type { PrefixStore } from "../../src/engine/prefix-store.ts";
import { PAGE_SIZE } from "../../src/model/cache-layout.ts";
import { NO_CPU } from "../cpu-targets.ts";
import { type Answered, answer, type EmbeddedModel, openEmbedded, userTurn } from "./embedded-engine.ts";

const GREEDY = { temperature: 0 };
const QUESTION = "Please tell me all that you know of foxes, owls and the sea, one after the other. ".repeat(8);

/** Everything that a reader can see of the computing: to the last bit of the logits. */
const seen = ({ tokens }: Answered) => tokens.map(({ token, logprobs }) => [token, logprobs!.logprob]);

const turn = () => new Promise(setImmediate);

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

interface Start extends Partial<EngineOptions> {
  /** Stands between the engine and the files. */
  readonly through?: (store: PrefixStore) => PrefixStore;
}

describe("an engine over a folder of stored prefixes", () => {
  let model: EmbeddedModel;
  let folder: string;
  const warnings: string[] = [];

  beforeAll(async () => {
    // The same everywhere, but the reference backend is slow.
    model = await openEmbedded(NO_CPU === null ? openCpu() : openReference());
  });
  afterAll(() => model.close());
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "deepts-prefixes-"));
    warnings.length = 0;
    onTestFinished(() => rm(folder, { recursive: true }));
  });

  /** Runs with an engine of its own, as a process does between two starts. */
  async function started<T>(use: (engine: Engine) => Promise<T>, options: Start = {}): Promise<T> {
    const { through = (store) => store, ...rest } = options;
    const engine = await model.newEngine({
      openPrefixStore: async (network) =>
        through(
          await openPrefixFiles({ ...network, folder, maxBytes: 2 ** 30, warn: (line) => void warnings.push(line) }),
        ),
      maxWaiting: 64,
      ...rest,
    });
    try {
      const result = await use(engine);
      expect(engine.activity).toMatchObject({ running: 0, waiting: 0 });
      expect(engine.activity.pages.available).toBe(engine.activity.pages.total);
      return result;
    } finally {
      await engine.close();
    }
  }

  const withoutStore = { openPrefixStore: undefined };

  const ask = async (engine: Engine, content = QUESTION, cacheSalt = "", options: { signal?: AbortSignal } = {}) => {
    const prompt = await userTurn(engine, content);
    return answer(engine, { prompt, maxTokens: 12, sampling: GREEDY, topLogprobs: 0, cacheSalt }, options);
  };

  /** A chat of two turns, as it is when there is one process for each. */
  async function chat(engine: Engine, first?: Answered): Promise<Answered> {
    const messages: Record<string, unknown>[] = [{ role: "user", content: QUESTION }];
    if (first) messages.push({ role: "assistant", content: first.text }, { role: "user", content: "And then?" });
    const { ids } = await engine.renderChat({ messages });
    return answer(engine, { prompt: ids, maxTokens: 40, sampling: GREEDY, topLogprobs: 0 });
  }

  it("starts the second turn of a chat from what the process before it has read, as that would have", async () => {
    const first = await started((engine) => chat(engine));
    const second = await started(async (engine) => {
      const answered = await chat(engine, first);
      expect(engine.activity.stored!.hits * PAGE_SIZE).toBe(answered.end.cachedPromptTokens);
      return answered;
    });
    const inOne = await started(async (engine) => chat(engine, await chat(engine)), withoutStore);
    expect(first.end.cachedPromptTokens).toBe(0);
    expect(second.end.cachedPromptTokens).toBeGreaterThan(first.end.promptTokens - PAGE_SIZE);
    expect(second.end).toEqual(inOne.end);
    expect(seen(second)).toEqual(seen(inOne));
    expect(warnings).toEqual([]);
  });

  it("takes over only what prompts were read as, with `deterministic`: the bits of an engine that has nothing", async () => {
    const deterministic = { deterministic: true };
    const first = await started((engine) => chat(engine), deterministic);
    // What a server without it has left does not count: its pages hold generated rows.
    await started((engine) => chat(engine, first));
    const second = await started((engine) => chat(engine, first), deterministic);
    const alone = await started((engine) => chat(engine, first), { ...withoutStore, ...deterministic });
    const pages = Math.floor(first.end.promptTokens / PAGE_SIZE);
    expect([second.end.cachedPromptTokens, alone.end.cachedPromptTokens]).toEqual([pages * PAGE_SIZE, 0]);
    expect(seen(second)).toEqual(seen(alone));
  });

  it("gives nothing of one key's to another, nor to whoever has none", async () => {
    const cached = async (salt: string) =>
      (await started((engine) => ask(engine, QUESTION, salt))).end.cachedPromptTokens > 0;
    expect([await cached("a"), await cached("b"), await cached(""), await cached("a")]).toEqual([
      false,
      false,
      false,
      true,
    ]);
  });

  it("gives nothing to a cache of another type", async () => {
    const cached = async (cacheType: EngineOptions["cacheType"]) =>
      (await started((engine) => ask(engine), { cacheType })).end.cachedPromptTokens > 0;
    expect([await cached("f32"), await cached("f16"), await cached("f32")]).toEqual([false, false, true]);
    expect(warnings).toEqual([]);
  });

  it("answers the same when files are damaged, and tells of them", async () => {
    const alone = await started((engine) => ask(engine), withoutStore);
    await started((engine) => ask(engine));
    const names = await readdir(folder);
    for (const [i, name] of names.entries()) {
      const bytes = await readFile(path.join(folder, name));
      bytes[Math.floor((i * bytes.length) / names.length)]! ^= 1;
      await writeFile(path.join(folder, name), i % 3 === 2 ? bytes.subarray(0, i) : bytes);
    }
    const found = await started((engine) => ask(engine));
    expect([seen(found), found.end.cachedPromptTokens]).toEqual([seen(alone), 0]);
    expect(warnings).toEqual([expect.stringMatching(/damaged and ignored/)]);
    // It was written anew.
    const healed = await started((engine) => ask(engine));
    expect(healed.end.cachedPromptTokens).toBeGreaterThan(0);
    expect(seen(healed)).toEqual(seen(alone));
  });

  it("lets other answers go on while one waits for the disk", async () => {
    await started((engine) => ask(engine));
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    let loads = 0;
    const through = (store: PrefixStore): PrefixStore =>
      overridden(store, {
        load: async (address) => {
          if (loads++ > 1) await held;
          return store.load(address);
        },
      });
    await started(
      async (engine) => {
        const slow = ask(engine);
        await until(() => loads > 2);
        expect((await answer(engine, { prompt: [7, 8, 9], maxTokens: 5, ignoreEndTokens: true })).tokens).toHaveLength(
          5,
        );
        release();
        expect((await slow).end.cachedPromptTokens).toBeGreaterThan(2 * PAGE_SIZE);
      },
      { through },
    );
  });

  it.each(["its client", "its time", "the engine"])("an answer that waits for the disk ends with %s", async (who) => {
    await started((engine) => ask(engine));
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    let loads = 0;
    let settled: Promise<unknown> = held;
    const through = (store: PrefixStore): PrefixStore =>
      overridden(store, {
        load: (address) => {
          const loaded = (loads++ > 0 ? held : Promise.resolve()).then(() => store.load(address));
          settled = loaded.then(turn);
          return loaded;
        },
      });
    await started(
      async (engine) => {
        const abort = new AbortController();
        const prompt = await userTurn(engine, QUESTION);
        if (who === "its time") vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
        onTestFinished(() => void vi.useRealTimers());
        const timeoutMs = who === "its time" ? 200 : undefined;
        const ended = answer(engine, { prompt, maxTokens: 12, timeoutMs }, { signal: abort.signal }).then(
          () => "answered",
          (error: Error) => error.message,
        );
        await until(() => loads > 1);
        expect(engine.activity).toMatchObject({ running: 0, waiting: 1 });
        if (who === "its time") vi.advanceTimersByTime(200);
        if (who === "its client") abort.abort(new Error("its client left"));
        if (who === "the engine") await engine.close();
        expect(await ended).toMatch(/its client left|not complete within 200 ms|shutting down/);
        expect(engine.activity).toMatchObject({ running: 0, waiting: 0 });
        // The page that came too late goes nowhere.
        const { indexed } = engine.activity.pages;
        release();
        await settled;
        expect([loads, engine.activity.pages.indexed]).toEqual([2, indexed]);
      },
      { through },
    );
  });

  it("reads a prompt itself when the disk hangs, and asks no more of it", async () => {
    const alone = await started((engine) => ask(engine), withoutStore);
    await started((engine) => ask(engine));
    let loads = 0;
    const through = (store: PrefixStore): PrefixStore =>
      overridden(store, {
        load: () => {
          loads++;
          return new Promise(() => {});
        },
      });
    await started(
      async (engine) => {
        vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
        onTestFinished(() => void vi.useRealTimers());
        const first = ask(engine);
        await until(() => loads > 0);
        vi.advanceTimersByTime(2000);
        expect(seen(await first)).toEqual(seen(alone));
        expect(seen(await ask(engine, QUESTION, "another"))).toEqual(seen(alone));
        expect(loads).toBe(1);
        vi.useRealTimers();
      },
      { through },
    );
  });

  it("stores nothing under a text's name but that text, however late the disk comes to it", async () => {
    const contents = Array.from({ length: 10 }, (_, i) => `${i}: ${QUESTION}`);
    const alone = await started(async (engine) => {
      const answers: Answered[] = [];
      for (const content of contents) answers.push(await ask(engine, content));
      return answers;
    }, withoutStore);
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const saved: boolean[] = [];
    const through = (store: PrefixStore): PrefixStore =>
      overridden(store, {
        touch: async (address) => {
          await held;
          return store.touch(address);
        },
        save: async (...page) => {
          saved.push(await store.save(...page));
          return saved.at(-1)!;
        },
      });
    // Room for one answer: by the time that the disk is ready, most pages hold other texts.
    const small = { parallel: 1, contextSize: 256 };
    await started(
      async (engine) => {
        for (const content of contents) await ask(engine, content);
        release();
      },
      { ...small, through },
    );
    expect(saved.length).toBeGreaterThan(0);
    expect(saved.length).toBeLessThanOrEqual(8);
    const found = await started(async (engine) => {
      const answers: Answered[] = [];
      for (const content of contents) answers.push(await ask(engine, content));
      return answers;
    }, small);
    expect(found.map(seen)).toEqual(alone.map(seen));
    expect(found.some(({ end }) => end.cachedPromptTokens > 0)).toBe(true);
  });

  it("needs no room beyond that of the answers: where memory is short it brings in less", async () => {
    const contents = Array.from({ length: 6 }, (_, i) => `${i}: ${QUESTION}`);
    const all = (engine: Engine) => Promise.all(contents.map((content) => ask(engine, content)));
    const alone = await started(all, withoutStore);
    await started(all);
    const pageBytes = await started(async ({ memory, activity }) => memory.cache / activity.pages.total);
    const found = await started(all, { parallel: 4, contextSize: 256, cacheMemory: 9 * pageBytes });
    expect(found.map(seen)).toEqual(alone.map(seen));
  });

  it("goes on when nothing can be written, and reads no page for that", async () => {
    const touched: unknown[] = [];
    const through = (store: PrefixStore): PrefixStore =>
      overridden(store, {
        accepts: false,
        touch: async (address) => {
          touched.push(address);
          return false;
        },
      });
    expect((await started((engine) => ask(engine), { through })).tokens).toHaveLength(12);
    expect([touched, await readdir(folder)]).toEqual([[], []]);
  });

  it("goes on storing after an answer that fills no page, and after a time in which nothing could be written", async () => {
    let accepts = true;
    const through = (store: PrefixStore): PrefixStore =>
      Object.defineProperty(overridden(store, {}), "accepts", { get: () => accepts });
    await started(
      async (engine) => {
        await answer(engine, { prompt: [7, 8, 9], maxTokens: 2, ignoreEndTokens: true });
        accepts = false;
        await ask(engine, `no: ${QUESTION}`);
        accepts = true;
        await ask(engine, `yes: ${QUESTION}`);
      },
      { through },
    );
    expect((await readdir(folder)).length).toBeGreaterThan(4);
  });

  it("fails the answer and no other when the store breaks its word", async () => {
    const through = (store: PrefixStore): PrefixStore =>
      overridden(store, { load: () => Promise.reject(new Error("the disk is on fire")) });
    await started(
      async (engine) => {
        await expect(ask(engine)).rejects.toThrow("on fire");
        expect((await answer(engine, { prompt: [7, 8, 9], maxTokens: 3, ignoreEndTokens: true })).tokens).toHaveLength(
          3,
        );
      },
      { through },
    );
  });
});

function overridden(store: PrefixStore, methods: Partial<PrefixStore>): PrefixStore {
  return {
    accepts: store.accepts,
    activity: store.activity,
    beginning: (salt) => store.beginning(salt),
    next: (parent, tokens) => store.next(parent, tokens),
    load: (address) => store.load(address),
    touch: (address) => store.touch(address),
    save: (address, page) => store.save(address, page),
    ...methods,
  };
}
