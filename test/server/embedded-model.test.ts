import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { openReference } from "../../src/backends/reference/backend.ts";
import { PAGE_SIZE } from "../../src/model/cache-layout.ts";
import { type LoadedModel, loadModel } from "../../src/node.ts";
import { singleApiKey } from "../../src/server/api-keys.ts";
import { openEmbedded } from "../engine/embedded-engine.ts";
import { openServer, startServer, type TestServer } from "./start-server.ts";

/** The whole way: openai client, socket, engine, embedded model. */
let model: LoadedModel;
let server: TestServer;
let client: OpenAI;

beforeAll(async () => {
  model = await loadModel(undefined, { contextSize: 512, parallel: 2 });
  server = await openServer(model.engine);
  ({ client } = server);
});

afterAll(async () => {
  await server.close();
  await model.close();
});

const hello = [{ role: "user" as const, content: "Hello" }];
const HELLO = "Hello! Ask me for a story or a small sum.";

async function post(path: string, body: object, url = server.url) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
  const { error } = (await response.json()) as { error: { message: string; code?: string } };
  return { status: response.status, retryAfter: response.headers.get("retry-after"), error };
}

const weather = {
  type: "function" as const,
  function: {
    name: "get_weather",
    description: "Get the current weather for a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

describe("the embedded model behind the API", () => {
  it("answers, names itself and counts tokens", async () => {
    const completion = await client.chat.completions.create({ model: "deepseek-v3", messages: hello, temperature: 0 });
    expect(completion.model).toBe("deepts-tiny");
    expect(completion.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: HELLO } });
    const { usage } = completion;
    expect(usage!.total_tokens).toBe(usage!.prompt_tokens + usage!.completion_tokens);
  });

  it("says in /v1/models that it is a demonstration model", async () => {
    const { data } = await client.models.list();
    expect(data).toMatchObject([{ id: "deepts-tiny", description: expect.stringContaining("demonstration") }]);
  });

  it("streams the same text in pieces", async () => {
    const stream = await client.chat.completions.create({ model: "x", messages: hello, temperature: 0, stream: true });
    const pieces: string[] = [];
    for await (const chunk of stream) pieces.push(chunk.choices[0]?.delta.content ?? "");
    expect(pieces.join("")).toBe(HELLO);
    expect(pieces.filter((piece) => piece !== "").length).toBeGreaterThan(5);
  });

  it("calls a tool with arguments that are JSON, plain and streamed", async () => {
    const messages = [{ role: "user" as const, content: "What is the weather in Velmaris?" }];
    const request = { model: "x", messages, tools: [weather], temperature: 0 };
    const { choices } = await client.chat.completions.create(request);
    expect(choices[0]!.finish_reason).toBe("tool_calls");
    const call = choices[0]!.message.tool_calls![0]!;
    if (call.type !== "function") throw new Error("want a function call");
    expect(call.function.name).toBe("get_weather");
    expect(Object.keys(JSON.parse(call.function.arguments))).toEqual(["city"]);

    const runner = client.chat.completions.stream(request);
    const streamed = await runner.finalChatCompletion();
    const again = streamed.choices[0]!.message.tool_calls![0]!;
    expect(again).toMatchObject({ function: { name: "get_weather", arguments: call.function.arguments } });

    // The result goes back, and the model speaks about it.
    const answer = await client.chat.completions.create({
      ...request,
      messages: [
        ...messages,
        choices[0]!.message,
        { role: "tool", tool_call_id: call.id, content: '{"temperature": 17, "condition": "rainy"}' },
      ],
    });
    expect(answer.choices[0]!.message.content).toContain("17");
  });

  it("calls a tool where it has to, of any name or of the one asked for", async () => {
    const messages = [{ role: "user" as const, content: "What is the weather in Velmaris?" }];
    const clock = {
      type: "function" as const,
      function: { name: "get_time", parameters: weather.function.parameters },
    };
    for (const tool_choice of ["required" as const, { type: "function" as const, function: { name: "get_time" } }]) {
      const request = { model: "x", messages, tools: [weather, clock], tool_choice, temperature: 0, max_tokens: 60 };
      const { choices } = await client.chat.completions.create(request);
      const { message, finish_reason } = choices[0]!;
      const [call] = message.tool_calls!;
      if (call?.type !== "function") throw new Error("want a function call");
      expect(call.function.name).toBe(tool_choice === "required" ? "get_weather" : "get_time");
      expect(JSON.parse(call.function.arguments)).toHaveProperty("city");
      expect([message.content, finish_reason]).toEqual([null, "tool_calls"]);
    }
  });

  it("goes on from the beginning of an answer", async () => {
    const begun = { role: "assistant", content: "Hello! Ask me", prefix: true } as OpenAI.ChatCompletionMessageParam;
    const { choices } = await client.chat.completions.create({
      model: "x",
      messages: [...hello, begun],
      temperature: 0,
    });
    expect(choices[0]!.message.content).toBe(" for a story or a small sum.");
  });

  it("splits reasoning from the answer", async () => {
    const { choices } = await client.chat.completions.create({
      model: "x",
      messages: [{ role: "user", content: "What is 46 * 7?" }],
      temperature: 0,
      reasoning_effort: "low",
    });
    const message = choices[0]!.message as OpenAI.ChatCompletionMessage & { reasoning_content?: string };
    expect(message.reasoning_content).toContain("6 * 7 = 42");
    expect(message.content).toMatch(/^46 \* 7 = /);
  });

  it("gives vectors of length 1 that are alike where texts are, in both encodings", async () => {
    const input = ["The owl Pip lived near the tower.", "The owl Pip lived near a tower.", "12 * 7 = 84"];
    for (const pooling of ["mean", "last"]) {
      const request = { model: "x", input, ...{ pooling } };
      const { data, usage } = await client.embeddings.create(request); // the client asks for base64
      const plain = await client.embeddings.create({ ...request, encoding_format: "float" });
      const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
      const [a, b, c] = data.map(({ embedding }) => embedding) as [number[], number[], number[]];
      expect(dot(a, a)).toBeCloseTo(1, 5);
      if (pooling === "mean") expect(dot(a, b)).toBeGreaterThan(dot(a, c));
      expect(plain.data[1]!.embedding).toEqual(b);
      expect(usage.total_tokens).toBeGreaterThan(20);
    }
  });

  it("frees what a vector was computed in, also where the client has left", async () => {
    const ids = model.engine.encodePrompt("word ".repeat(100));
    const abort = new AbortController();
    const left = model.engine.embed(ids, "mean", { signal: abort.signal });
    abort.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    await expect(model.engine.embed(Array(600).fill(5), "mean")).rejects.toMatchObject({ status: 400 });
    const { pages, running, waiting } = model.engine.activity;
    expect([running, waiting, pages.available]).toEqual([0, 0, pages.total]);
  });

  it("completes plain text from its beginning", async () => {
    const { choices } = await client.completions.create({
      model: "x",
      prompt: "Once upon a time, a little owl named Pip",
      max_tokens: 6,
      temperature: 0,
    });
    expect(choices[0]).toMatchObject({ text: " lived near the tower. One", finish_reason: "length" });
  });

  it("spells no token that it does not have", async () => {
    const { status, error } = await post("/detokenize", { tokens: [1155, 4096] });
    expect([status, error.message]).toEqual([400, "'tokens': 4096 is not a token of this model"]);
  });

  const long = "word ".repeat(600);
  it.each<[string, object]>([
    ["/v1/chat/completions", { messages: [{ role: "user", content: long }] }],
    ["/v1/completions", { prompt: long }],
    ["/v1/completions", { prompt: Array(512).fill(5) }],
    ["/v1/completions", { prompt: long, suffix: "end" }],
    ["/v1/responses", { input: long }],
    ["/v1/messages", { max_tokens: 5, messages: [{ role: "user", content: long }] }],
    ["/v1/embeddings", { input: long }],
  ])("refuses a prompt that does not fit with both counts, and cuts none: %s", async (path, body) => {
    const { promptRows } = model.engine.activity;
    for (const stream of path === "/v1/embeddings" ? [false] : [false, true]) {
      const { status, error } = await post(path, { ...body, stream: stream || undefined });
      expect(status).toBe(400);
      expect(error.message).toMatch(/\d{3} tokens.*512/);
      if (path !== "/v1/messages") expect(error.code).toBe("context_length_exceeded");
    }
    expect(model.engine.activity.promptRows).toBe(promptRows);
  });

  it("has read a prompt whole that just fits", async () => {
    const prompt = Array<number>(511).fill(5);
    const { choices, usage } = await client.completions.create({ model: "x", prompt });
    expect([usage!.prompt_tokens, usage!.completion_tokens, choices[0]!.finish_reason]).toEqual([511, 1, "length"]);
  });

  it("reads the next turn of a chat from where the last ended", async () => {
    const first = [{ role: "user" as const, content: "Tell me of foxes and owls. ".repeat(20) }];
    const ask = async (messages: OpenAI.ChatCompletionMessageParam[]) => {
      const request = { model: "x", messages, temperature: 0, max_tokens: 40 };
      const { choices, usage } = await client.chat.completions.create(request);
      return { said: choices[0]!.message, usage: usage as typeof usage & { prompt_cache_hit_tokens: number } };
    };
    const { said, usage: before } = await ask(first);
    const { usage } = await ask([...first, said, { role: "user", content: "And then?" }]);
    const cached = usage!.prompt_tokens_details!.cached_tokens!;
    expect(cached).toBeGreaterThan(before!.prompt_tokens - PAGE_SIZE);
    expect(usage).toMatchObject({
      prompt_cache_hit_tokens: cached,
      prompt_cache_miss_tokens: usage!.prompt_tokens - cached,
    });
  });

  it("finds nothing for one key that was read for another", async () => {
    const keys = { alice: "sk-alice-0123456789", bob: "sk-bob-0123456789ab" };
    const apiKeys = Object.entries(keys).map(([name, key]) => singleApiKey(key, name, "--api-key"));
    const { url } = await startServer(model.engine, { apiKeys });
    const cached = async (apiKey: string) => {
      const own = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
      const messages = [{ role: "user" as const, content: "Tell me of two secret keys. ".repeat(10) }];
      const { usage } = await own.chat.completions.create({ model: "x", messages, max_tokens: 1 });
      return usage!.prompt_tokens_details!.cached_tokens! > 0;
    };
    const { alice, bob } = keys;
    expect([await cached(alice), await cached(alice), await cached(bob)]).toEqual([false, true, false]);
  });

  it("keeps no one waiting beyond the queue's length: 503, or Anthropic's 529, with Retry-After", async () => {
    // The reference backend takes seconds for this answer.
    const tiny = await openEmbedded(openReference());
    const full = await tiny.newEngine({ parallel: 1, maxWaiting: 1 });
    onTestFinished(() => full.close().then(() => tiny.close()));
    const { url, client } = await startServer(full);
    const endless = { model: "x", prompt: "Once", stream: true as const, ...{ ignore_eos: true } };
    const running = await client.completions.create(endless);
    const leaves = new AbortController();
    const waiting = client.completions.create(endless, { signal: leaves.signal });
    await expect.poll(() => full.activity).toMatchObject({ running: 1, waiting: 1 });
    for (const [path, status] of [
      ["/v1/chat/completions", 503],
      ["/v1/messages", 529],
    ] as const) {
      const refused = await post(path, { messages: hello, max_tokens: 5 }, url);
      expect([refused.status, refused.retryAfter]).toEqual([status, "1"]);
    }
    leaves.abort();
    await expect(waiting).rejects.toThrow(OpenAI.APIUserAbortError);
    await expect.poll(() => full.activity.waiting).toBe(0);
    running.controller.abort();
    await expect.poll(() => full.activity.running).toBe(0);
  });

  it("stops computing when the client goes away, and goes on serving", async () => {
    const stream = await client.chat.completions.create({
      model: "x",
      messages: [{ role: "user", content: "Tell me a story." }],
      stream: true,
      max_tokens: 400,
    });
    for await (const _ of stream) break; // closes the connection
    await expect.poll(() => model.engine.activity.running).toBe(0);
    const { choices } = await client.chat.completions.create({ model: "x", messages: hello, temperature: 0 });
    expect(choices[0]!.message.content).toBe(HELLO);
  });

  it("answers several at once, each as if alone", async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => client.chat.completions.create({ model: "x", messages: hello, temperature: 0 })),
    );
    expect(answers.map(({ choices }) => choices[0]!.message.content)).toEqual(Array(5).fill(HELLO));
  });
});
