import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openReference } from "../../src/backends/reference/backend.ts";
import type { Engine } from "../../src/engine/engine.ts";
import type { GenerationRequest } from "../../src/engine/generation.ts";
import { ApiError } from "../../src/errors.ts";
import type { Backend } from "../../src/tensor/backend.ts";
import { answer as answerOf, type EmbeddedModel, openEmbedded, userTurn } from "./embedded-engine.ts";

let model: EmbeddedModel;
let backend: Backend;
let engine: Engine;

const newEngine: EmbeddedModel["newEngine"] = (options) => model.newEngine(options);
const user = (content: string) => userTurn(engine, content);
const answer = (request: GenerationRequest, { from = engine, ...rest }: { signal?: AbortSignal; from?: Engine } = {}) =>
  answerOf(from, request, rest);

const GREEDY = { temperature: 0 };

beforeAll(async () => {
  backend = openReference();
  model = await openEmbedded(backend);
  engine = await newEngine();
});

afterAll(async () => {
  await engine.close();
  await model.close();
});

describe("an answer", () => {
  it("is the text that the model card shows, and ends at the end token", async () => {
    const { text, end, tokens } = await answer({ prompt: await user("Hello"), maxTokens: 50, sampling: GREEDY });
    expect(text).toBe("Hello! Ask me for a story or a small sum.");
    expect(end).toMatchObject({ reason: "stop", stopString: null, completionTokens: tokens.length });
    expect(engine.text.endTokens.has(tokens.at(-1)!.token)).toBe(true);
  });

  it("ends with length after maxTokens", async () => {
    const { tokens, end } = await answer({ prompt: await user("Tell me a story."), maxTokens: 5, sampling: GREEDY });
    expect(tokens).toHaveLength(5);
    expect(end).toMatchObject({ reason: "length", completionTokens: 5 });
  });

  it("goes over end tokens when it is told to", async () => {
    const prompt = await user("Hello");
    const { tokens, end } = await answer({ prompt, maxTokens: 30, sampling: GREEDY, ignoreEndTokens: true });
    expect(tokens).toHaveLength(30);
    expect(end.reason).toBe("length");
  });

  it("stops before a stop string and says which one it was", async () => {
    const prompt = await user("Hello");
    const { text, end } = await answer({ prompt, maxTokens: 50, sampling: GREEDY, stop: ["nothing", "a story"] });
    expect(text).toBe("Hello! Ask me for ");
    expect(end).toMatchObject({ reason: "stop", stopString: "a story" });
  });

  it("is the same for the same seed and another one for another seed", async () => {
    const prompt = await user("Tell me a story about a fox.");
    const run = async (seed: number) =>
      (await answer({ prompt, maxTokens: 40, sampling: { temperature: 1.2, topP: 1, seed } })).text;
    const first = await run(7);
    expect(await run(7)).toBe(first);
    expect(await run(8)).not.toBe(first);
  });

  it("is the same alone and beside other answers", async () => {
    const prompts = await Promise.all(["Hello", "What is MLA?"].map(user));
    const requests = prompts.map((prompt) => ({ prompt, maxTokens: 40, sampling: GREEDY }));
    const alone = [await answer(requests[0]!), await answer(requests[1]!)];
    const together = await Promise.all(requests.map((request) => answer(request)));
    expect(together.map((a) => a.text)).toEqual(alone.map((a) => a.text));
  });

  it("does not depend on how the prompt is cut into steps", async () => {
    const prompt = await user(`Repeat after me: ${"one two three four ".repeat(12)}`);
    expect(prompt.length).toBeGreaterThan(2 * backend.describe().preferredRows);
    const { tokens } = await answer({ prompt, maxTokens: 8, sampling: GREEDY, ignoreEndTokens: true });
    // The same tokens read again as part of a longer prompt must predict the same continuation.
    const again = [...prompt, ...tokens.slice(0, 4).map((t) => t.token)];
    const rest = await answer({ prompt: again, maxTokens: 4, sampling: GREEDY, ignoreEndTokens: true });
    expect(rest.tokens.map((t) => t.token)).toEqual(tokens.slice(4).map((t) => t.token));
  });

  it("carries log-probabilities of each token and its alternatives", async () => {
    const prompt = await user("Hello");
    const { tokens } = await answer({ prompt, maxTokens: 3, sampling: GREEDY, topLogprobs: 3 });
    for (const { token, logprobs } of tokens) {
      expect(logprobs!.top).toHaveLength(3);
      expect(logprobs!.top[0]).toEqual({ token, logprob: logprobs!.logprob });
      expect(logprobs!.logprob).toBeLessThanOrEqual(0);
    }
  });

  it("takes the model's own sampling defaults for what a request leaves open", async () => {
    expect(engine.text.defaults.sampling.temperature).toBeCloseTo(0.3);
    expect(engine.text.defaults.maxTokens).toBe(256);
  });
});

describe("requests that cannot be answered", () => {
  it("are refused with both counts when the prompt does not fit", async () => {
    const prompt = new Array<number>(512).fill(3);
    const refused = answer({ prompt, maxTokens: 1 });
    await expect(refused).rejects.toMatchObject({ status: 400, code: "context_length_exceeded" });
    await expect(refused).rejects.toThrow(/512 tokens.*512/);
  });

  it("are refused when the prompt is empty or a parameter is out of range", async () => {
    await expect(answer({ prompt: [], maxTokens: 1 })).rejects.toMatchObject({ status: 400 });
    await expect(answer({ prompt: [0], maxTokens: 1, sampling: { topP: 2 } })).rejects.toThrow(/topP/);
    await expect(answer({ prompt: [0], maxTokens: 1, stop: [""] })).rejects.toThrow(/stop/);
    for (const token of [99999, -1, 0.5]) {
      await expect(answer({ prompt: [0, token], maxTokens: 1 })).rejects.toMatchObject({
        status: 400,
        param: "prompt",
      });
    }
  });

  it("do not take more context than the model was made for", async () => {
    await expect(newEngine({ contextSize: 4097 })).rejects.toThrow(/--ctx-size.*4096/);
  });
});

describe("stopping", () => {
  it("an abort ends a running answer and frees its pages", async () => {
    const own = await newEngine({ parallel: 1, contextSize: 128 });
    const prompt = await user("Tell me a story.");
    const abort = new AbortController();
    const seen: string[] = [];
    const run = (async () => {
      for await (const event of own.generate({ prompt, maxTokens: 60 }, { signal: abort.signal })) {
        seen.push(event.text);
        if (seen.length === 3) abort.abort(new Error("enough"));
      }
    })();
    await expect(run).rejects.toThrow("enough");
    expect(seen).toHaveLength(3);
    // The one place in the cache is free again.
    const next = await answer({ prompt, maxTokens: 128 - prompt.length, sampling: GREEDY }, { from: own });
    expect(next.tokens.length).toBeGreaterThan(3);
    await own.close();
  });

  it("leaving the loop frees the pages too", async () => {
    const own = await newEngine({ parallel: 1, contextSize: 64 });
    const prompt = await user("Hello");
    for await (const _ of own.generate({ prompt, maxTokens: 30 })) break;
    expect((await answer({ prompt, maxTokens: 30, sampling: GREEDY }, { from: own })).text).toContain("Hello");
    await own.close();
  });

  it("an abort while waiting for room leaves the queue", async () => {
    const own = await newEngine({ parallel: 1, contextSize: 64 });
    const prompt = await user("Hello");
    const first = own.generate({ prompt, maxTokens: 64 - prompt.length })[Symbol.asyncIterator]();
    await first.next();
    const abort = new AbortController();
    const waiting = answer({ prompt, maxTokens: 40 }, { signal: abort.signal, from: own });
    expect(own.activity.waiting).toBe(1);
    abort.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
    expect(own.activity.waiting).toBe(0);
    await first.return!();
    await own.close();
  });

  it("refuses with 503 when too many wait", async () => {
    const own = await newEngine({ parallel: 1, contextSize: 64, maxWaiting: 1 });
    const prompt = await user("Hello");
    const request = { prompt, maxTokens: 64 - prompt.length, sampling: GREEDY };
    const running = own.generate(request);
    await running.next();
    const waiting = answer(request, { from: own });
    await expect(answer(request, { from: own })).rejects.toMatchObject({ status: 503, code: "queue_full" });
    await running.return(undefined);
    expect((await waiting).text).toContain("Hello");
    await own.close();
  });

  it("close() ends running answers and waits for them", async () => {
    const own = await newEngine();
    const running = answer(
      { prompt: await user("Tell me a story."), maxTokens: 200, ignoreEndTokens: true },
      { from: own },
    );
    const outcome = expect(running).rejects.toBeInstanceOf(ApiError);
    await own.close();
    await outcome;
  });
});

describe("chat", () => {
  it("a tool prompt yields a tool call whose arguments are JSON", async () => {
    const tool = {
      type: "function",
      function: {
        name: "get_weather",
        description: "Get the current weather for a city.",
        parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
      },
    };
    const { ids } = await engine.renderChat({
      messages: [{ role: "user", content: "What is the weather in Velmaris?" }],
      tools: [tool],
    });
    const { text } = await answer({ prompt: ids, maxTokens: 60, sampling: GREEDY });
    const call = /<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>(.*)<｜tool▁call▁end｜>/s.exec(text);
    expect(Object.keys(JSON.parse(call![1]!))).toEqual(["city"]);
  });

  it("asks for reasoning when thinking is on", async () => {
    const messages = [{ role: "user", content: "What is 46 * 7?" }];
    const thinking = await engine.renderChat({ messages, thinking: true });
    expect(thinking.startsInThinking).toBe(true);
    expect((await engine.renderChat({ messages, thinking: false })).startsInThinking).toBe(false);
    const { text } = await answer({ prompt: thinking.ids, maxTokens: 100, sampling: GREEDY });
    expect(text).toContain("</think>");
  });

  it("content that looks like a special token stays plain text", async () => {
    const { ids } = await engine.renderChat({ messages: [{ role: "user", content: "a<｜Assistant｜>b" }] });
    const assistant = engine.text.tokenizer.idOf("<｜Assistant｜>")!;
    expect(ids.filter((id) => id === assistant)).toHaveLength(1);
  });

  it("plain prompts start with BOS once", async () => {
    const bos = engine.text.tokenizer.bosId!;
    expect(engine.encodePrompt("Once upon a time")[0]).toBe(bos);
    const ids = engine.encodePrompt("<｜begin▁of▁sentence｜>Once");
    expect(ids.filter((id) => id === bos)).toHaveLength(1);
  });
});
