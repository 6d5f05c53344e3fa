import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { openCpu } from "../../src/backends/cpu/backend.ts";
import { openReference } from "../../src/backends/reference/backend.ts";
import type { TokenConstraint } from "../../src/engine/constraint.ts";
import type { Engine, EngineOptions } from "../../src/engine/engine.ts";
import type { GenerationRequest } from "../../src/engine/generation.ts";
import { PAGE_SIZE } from "../../src/model/cache-layout.ts";
import type { Backend, Batch } from "../../src/tensor/backend.ts";
import { NO_CPU } from "../cpu-targets.ts";
import { type Answered, answer, type EmbeddedModel, openEmbedded, userTurn } from "./embedded-engine.ts";

interface Stepping {
  /** Rows that the engine reads prompts by. */
  readonly preferredRows?: number;
  readonly beforeStep?: (batch: Batch) => void;
}

/** The same backend, watched. */
function watched(backend: Backend, { preferredRows, beforeStep }: Stepping): Backend {
  const caps = backend.describe();
  return {
    describe: () => ({ ...caps, preferredRows: preferredRows ?? caps.preferredRows }),
    loadWeight: (...args) => backend.loadWeight(...args),
    allocCache: (...args) => backend.allocCache(...args),
    async compile(...args) {
      const executable = await backend.compile(...args);
      return {
        scratchBytes: executable.scratchBytes,
        run: async (batch, inputs) => {
          beforeStep?.(batch);
          return executable.run(batch, inputs);
        },
        close: () => executable.close(),
      };
    },
    close: () => backend.close(),
  };
}

const GREEDY = { temperature: 0 };
const turn = () => new Promise(setImmediate);

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

/** Everything that a reader can see of the computing: to the last bit of the logits. */
const seen = ({ tokens }: Answered) => tokens.map(({ token, logprobs }) => [token, logprobs!.logprob]);

const rowsOf = ({ activity }: Engine) => activity.promptRows + activity.generatedRows;

describe("many answers at once", () => {
  let model: EmbeddedModel;
  let backend: Backend;

  beforeAll(async () => {
    // The same everywhere, but the reference backend takes minutes for it.
    backend = NO_CPU === null ? openCpu() : openReference();
    model = await openEmbedded(backend);
  });

  afterAll(() => model.close());

  /** Runs with an engine of its own. */
  function test(
    title: string,
    options: Partial<EngineOptions> & Stepping,
    body: (engine: Engine) => Promise<void>,
  ): void {
    it(title, async () => {
      const engine = await model.newEngine({ maxWaiting: 64, ...options }, watched(backend, options));
      try {
        await body(engine);
        expect(engine.activity).toMatchObject({ running: 0, waiting: 0 });
        expect(engine.activity.pages.available).toBe(engine.activity.pages.total);
      } finally {
        await engine.close();
      }
    });
  }

  const TOPICS = ["a fox", "the sea", "an owl named Pip", "two sums: 4 + 7 and 46 * 7", "MLA", "a tower"];

  async function seeded(engine: Engine, index: number): Promise<GenerationRequest> {
    const topic = TOPICS[index % TOPICS.length]!;
    const prompt = await userTurn(engine, `Tell me about ${topic}. ${"Please, in short words. ".repeat(index % 5)}`);
    const sampling = { temperature: 1.1, topP: 1, seed: index, presencePenalty: 0.2 };
    return { prompt, maxTokens: 40, sampling, ignoreEndTokens: true, topLogprobs: 0 };
  }

  async function allAtOnce(engine: Engine, count: number): Promise<Answered[]> {
    const requests = await Promise.all(Array.from({ length: count }, (_, i) => seeded(engine, i)));
    return Promise.all(requests.map((request) => answer(engine, request)));
  }

  describe("a seeded request gives the same bits", () => {
    let alone: ReturnType<typeof seen>[];
    let pageBytes: number;

    beforeAll(async () => {
      const engine = await model.newEngine({ parallel: 1 });
      alone = [];
      for (let i = 0; i < 17; i++) alone.push(seen(await answer(engine, await seeded(engine, i))));
      pageBytes = engine.memory.cache / engine.activity.pages.total;
      await engine.close();
    });

    test("alone and among 16 others", { parallel: 17 }, async (engine) => {
      expect((await allAtOnce(engine, 17)).map(seen)).toEqual(alone);
    });

    test("whatever the sizes of the steps", { parallel: 3, preferredRows: 7 }, async (engine) => {
      expect((await allAtOnce(engine, 6)).map(seen)).toEqual(alone.slice(0, 6));
    });

    for (const deterministic of [false, true]) {
      it(`and when it had to give up its pages${deterministic ? ", with `deterministic` too" : ""}`, async () => {
        const options = { parallel: 8, contextSize: 160, cacheMemory: 11 * pageBytes, deterministic, maxWaiting: 64 };
        const engine = await model.newEngine(options, watched(backend, { preferredRows: 128 }));
        expect((await allAtOnce(engine, 17)).map(seen)).toEqual(alone);
        expect(engine.activity.preemptions).toBeGreaterThan(0);
        await engine.close();
      });
    }

    test("with `deterministic`, also where its beginning was generated before", {
      deterministic: true,
    }, async (engine) => {
      const first = await seeded(engine, 2);
      const generated = (await answer(engine, first)).tokens.map(({ token }) => token);
      const second = { ...first, prompt: [...first.prompt, ...generated, ...generated.slice(0, 10)] };
      const warm = await answer(engine, second);
      expect(warm.end.cachedPromptTokens).toBe(first.prompt.length - (first.prompt.length % PAGE_SIZE));
      const again = await answer(engine, second);
      expect(again.end.cachedPromptTokens).toBe(second.prompt.length - (second.prompt.length % PAGE_SIZE));
      expect(seen(again)).toEqual(seen(warm));
      const cold = await model.newEngine();
      expect(seen(await answer(cold, second))).toEqual(seen(warm));
      await cold.close();
    });
  });

  test("the next tokens of all come from one step", { parallel: 4 }, async (engine) => {
    const prompt = await userTurn(engine, "Hello");
    const request = (i: number) => ({
      prompt: [...prompt, i + 10],
      maxTokens: 12,
      sampling: GREEDY,
      ignoreEndTokens: true,
    });
    await Promise.all([0, 1, 2, 3].map((i) => answer(engine, request(i))));
    expect(engine.activity).toMatchObject({ steps: 12, generatedRows: 4 * 11 });
  });

  test("a long prompt does not hold up who is answered already", { preferredRows: 16 }, async (engine) => {
    const running = engine.generate({ prompt: await userTurn(engine, "Hello"), maxTokens: 200, ignoreEndTokens: true });
    await running.next();
    const long = answer(engine, { prompt: new Array<number>(400).fill(20), maxTokens: 1 });
    const before = engine.activity;
    for (let i = 0; i < 20; i++) await running.next();
    expect(engine.activity.promptRows).toBeLessThan(before.promptRows + 400);
    expect(engine.activity.steps - before.steps).toBeLessThanOrEqual(22);
    await long;
    await running.return(undefined);
    await until(() => engine.activity.running === 0);
  });

  test("choices of one prompt read it once", { parallel: 4, preferredRows: 20 }, async (engine) => {
    const prompt = Array.from({ length: 2 * PAGE_SIZE + 5 }, (_, i) => 10 + i);
    const request = (seed: number) => ({ prompt, maxTokens: 4, sampling: { seed }, ignoreEndTokens: true });
    const answers = await Promise.all([1, 2, 3, 4].map((seed) => answer(engine, request(seed))));
    expect(engine.activity.promptRows).toBe(2 * PAGE_SIZE + 4 * 5);
    const cached = answers.map(({ end }) => end.cachedPromptTokens);
    expect(cached).toEqual([0, 2 * PAGE_SIZE, 2 * PAGE_SIZE, 2 * PAGE_SIZE]);
  });

  test("the next turn of a chat of 2,000 tokens computes a tenth of the first or less", {
    contextSize: 2400,
    parallel: 1,
  }, async (engine) => {
    const content = "Pip the owl lived near the tower. ".repeat(250);
    const first = { role: "user", content };
    const { ids } = await engine.renderChat({ messages: [first] });
    expect(ids.length).toBeGreaterThan(2000);
    const { text } = await answer(engine, { prompt: ids, maxTokens: 40, sampling: GREEDY });
    const before = rowsOf(engine);
    const messages = [first, { role: "assistant", content: text }, { role: "user", content: "And then?" }];
    const next = await engine.renderChat({ messages });
    const { end } = await answer(engine, { prompt: next.ids, maxTokens: 40, sampling: GREEDY });
    expect(rowsOf(engine) - before).toBeLessThan(before / 10);
    expect(end.cachedPromptTokens).toBeGreaterThan(ids.length - PAGE_SIZE);
  });

  test("what was read for one salt is not found for another", {}, async (engine) => {
    const prompt = Array.from({ length: 70 }, (_, i) => 10 + i);
    const cached = async (cacheSalt?: string) =>
      (await answer(engine, { prompt, maxTokens: 1, cacheSalt })).end.cachedPromptTokens;
    expect([await cached("a"), await cached("a"), await cached("b"), await cached()]).toEqual([0, 64, 0, 0]);
  });

  describe("an answer that nobody wants any more leaves within one step", () => {
    const long = { prompt: new Array<number>(300).fill(20), maxTokens: 200, ignoreEndTokens: true };
    const phases = {
      "while its prompt is read": ({ promptRows }: Engine["activity"]) => promptRows > 0,
      "while it is written": ({ generatedRows }: Engine["activity"]) => generatedRows > 2,
    };
    for (const [phase, reached] of Object.entries(phases)) {
      test(phase, { preferredRows: 8 }, async (engine) => {
        const abort = new AbortController();
        const ended = expect(answer(engine, long, { signal: abort.signal })).rejects.toThrow("gone");
        await until(() => reached(engine.activity));
        expect(engine.activity.pages.available).toBeLessThan(engine.activity.pages.total);
        const { steps, promptRows } = engine.activity;
        if (phase.includes("prompt")) expect(promptRows).toBeLessThan(300);
        abort.abort(new Error("gone"));
        await ended;
        await until(() => engine.activity.running === 0);
        expect(engine.activity.steps).toBeLessThanOrEqual(steps + 1);
      });
    }

    test("while it waits, and whose signal had aborted before is not even begun", { parallel: 1 }, async (engine) => {
      const running = engine.generate(long);
      await running.next();
      const abort = new AbortController();
      const ended = expect(answer(engine, long, { signal: abort.signal })).rejects.toThrow("gone");
      expect(engine.activity.waiting).toBe(1);
      abort.abort(new Error("gone"));
      await ended;
      expect(engine.activity.waiting).toBe(0);
      await expect(answer(engine, long, { signal: abort.signal })).rejects.toThrow("gone");
      await running.return(undefined);
      await until(() => engine.activity.running === 0);
    });
  });

  test("an answer that is not complete in time ends with 504, waiting or running", { parallel: 1 }, async (engine) => {
    const prompt = await userTurn(engine, "Hello");
    const request = { prompt, maxTokens: 400, ignoreEndTokens: true, timeoutMs: 20 };
    const outcomes = await Promise.allSettled([answer(engine, request), answer(engine, request)]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { status: 504, code: "timeout" } });
    }
    await until(() => engine.activity.running === 0);
    await expect(answer(engine, { ...request, timeoutMs: 0 })).rejects.toThrow("timeoutMs");
    await expect(answer(engine, { ...request, priority: 0.5 })).rejects.toThrow("priority");
  });

  test("an answer that was complete in time may be read later", {}, async (engine) => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const prompt = await userTurn(engine, "Hello");
    const running = engine.generate({ prompt, maxTokens: 10, sampling: GREEDY, ignoreEndTokens: true, timeoutMs: 50 });
    await running.next();
    await until(() => engine.activity.running === 0);
    vi.advanceTimersByTime(100);
    let last: string | undefined;
    for await (const event of running) last = event.type;
    expect(last).toBe("end");
  });

  test("an answer of higher priority goes first and interrupts a lower one, which goes on later", {
    parallel: 1,
  }, async (engine) => {
    const prompt = await userTurn(engine, "Tell me a story.");
    const request = { prompt, maxTokens: 60, sampling: GREEDY, ignoreEndTokens: true };
    const alone = await answer(engine, request);
    const order: string[] = [];
    const running = engine.generate(request);
    let text = (await running.next()).value!.text;
    const high = answer(engine, { ...request, maxTokens: 5, priority: 1 }).then(() => order.push("high"));
    for await (const event of running) text += event.text;
    order.push("low");
    await high;
    expect(order).toEqual(["high", "low"]);
    expect(text).toBe(alone.text);
    expect(engine.activity.preemptions).toBe(1);
  });

  test("a constraint says what may come, where the text may end, and where it must", {}, async (engine) => {
    const hello = await userTurn(engine, "Hello");
    const { tokens } = await answer(engine, { prompt: hello, maxTokens: 50, sampling: GREEDY });
    // Behind this the model would end.
    const prompt = [...hello, ...tokens.slice(0, -1).map(({ token }) => token)];
    const digits = Array.from("0123456789", (digit) => engine.text.tokenizer.encode(digit)[0]!);
    const constrained = (least: number, most: number) => {
      const constraint = new Digits(digits, engine.text.endTokens, least, most);
      return answer(engine, { prompt, maxTokens: 50, sampling: GREEDY, constraint });
    };
    const exact = await constrained(7, 7);
    expect(exact.text).toMatch(/^[0-9]{7}$/);
    expect(exact.end).toMatchObject({ reason: "stop", completionTokens: 7 });
    const free = await constrained(0, 40);
    expect(free.text).toBe("");
    expect(free.end).toMatchObject({ reason: "stop", completionTokens: 1 });
    expect((await constrained(3, 40)).text).toMatch(/^[0-9]{3,40}$/);
  });

  it.each([
    { preferredRows: 32, failed: 1, whose: "the answers in it, though not who found its pages," },
    { preferredRows: 256, failed: 2, whose: "the answers in it" },
  ])("a step that fails ends $whose; others take nothing of it for computed", async ({ preferredRows, failed }) => {
    let steps = 0;
    const beforeStep = () => {
      if (++steps === 1) throw new Error("the step broke");
    };
    const engine = await model.newEngine(
      { parallel: 2, maxWaiting: 8 },
      watched(backend, { preferredRows, beforeStep }),
    );
    const request = await seeded(engine, 4);
    expect(request.prompt.length).toBeGreaterThan(PAGE_SIZE);
    const outcomes = await Promise.allSettled([1, 2, 3, 4].map(() => answer(engine, request)));
    const whole = await model.newEngine();
    const expected = seen(await answer(whole, request));
    await whole.close();
    for (const [i, outcome] of outcomes.entries()) {
      expect(outcome.status).toBe(i < failed ? "rejected" : "fulfilled");
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ message: "the step broke" });
      else expect(seen(outcome.value)).toEqual(expected);
    }
    expect(engine.activity.pages.available).toBe(engine.activity.pages.total);
    await engine.close();
  });
});

/** Digits, between `least` and `most` of them. */
class Digits implements TokenConstraint {
  readonly #digits: readonly number[];
  readonly #ends: Iterable<number>;
  readonly #least: number;
  readonly #most: number;
  #count = 0;

  constructor(digits: readonly number[], ends: Iterable<number>, least: number, most: number) {
    this.#digits = digits;
    this.#ends = ends;
    this.#least = least;
    this.#most = most;
  }

  get canEnd(): boolean {
    return this.#count >= this.#least;
  }

  get mustEnd(): boolean {
    return this.#count === this.#most;
  }

  allowed(): Uint32Array {
    const mask = new Uint32Array(64);
    // What it says of end tokens does not count.
    for (const token of [...this.#digits, ...this.#ends]) mask[token >> 5]! |= 1 << (token & 31);
    return mask;
  }

  accept(token: number): boolean {
    this.#count++;
    return this.#digits.includes(token);
  }
}
