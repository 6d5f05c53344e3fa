import path from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { loadAddon } from "../../src/backends/cpu/addon.ts";
import { Output } from "../../src/cli/output.ts";
import { modelSource } from "../../src/cli/served-models.ts";
import { describeModel } from "../../src/node.ts";
import { singleApiKey } from "../../src/server/api-keys.ts";
import { createApp } from "../../src/server/app.ts";
import { ModelDirectory } from "../../src/server/model-directory.ts";
import { TestIo } from "../cli/test-io.ts";
import { NO_CPU } from "../cpu-targets.ts";
import { fixture } from "../shared-fixtures.ts";
import { ScriptedModel } from "./scripted-model.ts";
import { slowSource } from "./slow-source.ts";
import { openServer, type TestServer } from "./start-server.ts";

const paths = { small: fixture("v3-tiny")!, big: fixture("v2-lite-tiny")! };
const options = { contextSize: 64, parallel: 1, threads: 2 };
const CHAT = "/v1/chat/completions";
const messages = [{ role: "user" as const, content: "Hello" }];
const ADMIN = "admin-key-0123456789";
const adminKeys = [{ ...singleApiKey(ADMIN, "admin", "--admin-key"), admin: true }];

const io = new TestIo();
const sources = Object.entries(paths).map(([name, path]) =>
  modelSource({ name, path }, options, { stderr: new Output(io.stderr, {}) }),
);

/** Memory for the larger of the two alone. */
async function roomForOne(): Promise<number> {
  const bytes = await Promise.all(
    Object.values(paths).map(async (path) => (await describeModel(path, options)).bytes!),
  );
  return Math.max(...bytes);
}

describe("two models and memory for one", () => {
  let directory: ModelDirectory;
  let server: TestServer;
  let client: OpenAI;

  beforeAll(async () => {
    directory = new ModelDirectory(sources, { memoryBytes: await roomForOne() });
    await directory.start();
    server = await openServer(directory, { adminKeys });
    ({ client } = server);
  });

  afterAll(async () => {
    await server.close();
    await directory.close();
  });

  const ask = async (model: string) => {
    const completion = await client.chat.completions.create({ model, messages, temperature: 0, max_tokens: 4 });
    return completion.model;
  };
  const loaded = async () => {
    const { data } = await client.models.list();
    const cards = data as (OpenAI.Model & { state: string; memory_bytes: number; context_length: number })[];
    for (const card of cards) expect(card).toMatchObject({ context_length: 64, memory_bytes: expect.any(Number) });
    return cards.filter(({ state }) => state === "loaded").map(({ id }) => id);
  };

  it("the openai client lists both and talks with each in turn", async () => {
    expect(await loaded()).toEqual(["small"]);
    expect([await ask("big"), await loaded()]).toEqual(["big", ["big"]]);
    expect([await ask("small"), await loaded()]).toEqual(["small", ["small"]]);
    expect(await client.models.retrieve("big")).toMatchObject({ id: "big", state: "unloaded" });
    await expect(ask("other")).rejects.toMatchObject({ status: 404, code: "model_not_found" });
  });

  it("both may be asked at once, plain and streamed, by every API", async () => {
    const post = async (path: string, body: object) => {
      const response = await fetch(server.url + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      return `${path} ${response.status} ${/"error":\{|event: error/.test(await response.text())}`;
    };
    const asked = ["small", "big"].flatMap((model) =>
      [true, false].flatMap((stream): [string, object][] => [
        [CHAT, { model, messages, max_tokens: 3, stream }],
        ["/v1/completions", { model, prompt: "Hello", max_tokens: 3, stream }],
        ["/v1/responses", { model, input: "Hello", max_output_tokens: 3, stream, store: false }],
        ["/v1/messages", { model, messages, max_tokens: 3, stream }],
        ["/v1/messages/count_tokens", { model, messages }],
        ["/v1/embeddings", { model, input: "Hello" }],
        ["/tokenize", { model, content: "Hello" }],
        ["/detokenize", { model, tokens: [1] }],
        ["/apply-template", { model, messages }],
      ]),
    );
    const answers = await Promise.all(asked.map(([path, body]) => post(path, body)));
    expect(answers.sort()).toEqual(asked.map(([path]) => `${path} 200 false`).sort());
    expect(await loaded()).toHaveLength(1);
  });

  it("a web socket uses them like everyone else", async () => {
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/ws`);
    onTestFinished(() => socket.terminate());
    await new Promise((resolve) => socket.once("open", resolve));
    const answers = new Promise<Map<string, unknown>>((resolve) => {
      const got = new Map<string, unknown>();
      socket.on("message", (data) => {
        const { id, body } = JSON.parse(String(data)) as { id: string; body: { model: string } };
        got.set(id, body.model);
        if (got.size === 2) resolve(got);
      });
    });
    for (const id of ["small", "big"]) {
      const body = { model: id, messages, max_tokens: 2 };
      socket.send(JSON.stringify({ type: "request", id, path: CHAT, body }));
    }
    expect(Object.fromEntries(await answers)).toEqual({ small: "small", big: "big" });
  });

  it("an admin loads and unloads, which metrics tell", async () => {
    const manage = async (what: string, model: string) => {
      const response = await fetch(`${server.url}/v1/models/${what}`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${ADMIN}` },
        body: JSON.stringify({ model }),
      });
      return [response.status, await response.json()];
    };
    const metric = async (name: string) => {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      return ["small", "big"].map((model) => Number(new RegExp(`${name}{model="${model}"} (\\d+)`).exec(text)![1]));
    };
    expect(await manage("load", "big")).toMatchObject([200, { id: "big", state: "loaded" }]);
    expect(await metric("deepts_model_loaded")).toEqual([0, 1]);
    expect(await metric("deepts_model_memory_bytes")).toEqual([0, (await describeModel(paths.big, options)).bytes]);
    expect(await manage("unload", "big")).toMatchObject([200, { id: "big", state: "unloaded" }]);
    expect(await metric("deepts_model_loaded")).toEqual([0, 0]);
    expect(await manage("load", "other")).toMatchObject([404, { error: { code: "model_not_found" } }]);
    expect(await manage("unload", "")).toMatchObject([400, { error: { param: "model" } }]);
    // Names are looked up, never opened: a model that is there under its path is not there.
    for (const model of [paths.small, "../../etc/passwd", "file:///etc/passwd", "small/../big", "..\\small"]) {
      for (const what of ["load", "unload"])
        expect(await manage(what, model)).toMatchObject([404, { error: { code: "model_not_found" } }]);
      await expect(ask(model)).rejects.toMatchObject({ status: 404, code: "model_not_found" });
      const found = await fetch(`${server.url}/v1/models/${encodeURIComponent(model)}`);
      expect(found.status).toBe(404);
    }
  });
});

describe("models that come and go", () => {
  it("leave no memory behind: twenty rounds do not grow the process", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const directory = new ModelDirectory(sources);
    const { buffers } = loadAddon();
    const start = buffers().bytes;
    const { signal } = new AbortController();
    const round = async () => {
      for (const name of ["small", "big"]) {
        const { model, release } = await directory.acquire(name, signal);
        const prompt = model.encodePrompt("Hello");
        for await (const _ of model.generate({ prompt, maxTokens: 2, sampling: { temperature: 0 } }));
        release();
        expect(buffers().bytes).toBeGreaterThan(start);
        await directory.unload(name, signal);
        expect(buffers().bytes).toBe(start);
      }
    };
    for (let i = 0; i < 5; i++) await round();
    const before = reachableBytes();
    for (let i = 0; i < 20; i++) await round();
    const growth = reachableBytes() - before;
    await directory.close();
    expect(growth).toBeLessThan(16 << 20);
  });

  it("may be broken off while they are loaded: closing frees what was there by then", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const { buffers } = loadAddon();
    const start = buffers().bytes;
    const directory = new ModelDirectory(sources);
    const waiting = directory.acquire("small", new AbortController().signal);
    const refused = expect(waiting).rejects.toMatchObject({ status: 503, code: "shutting_down" });
    await Promise.all([directory.close(), refused]);
    expect(buffers().bytes).toBe(start);
    expect(directory.cards()).toMatchObject([{ state: "unloaded" }, { state: "unloaded" }]);
  });
});

describe("requests that wait for a model", () => {
  it("are kept alive where they stream, and one that leaves does not break off the others", async () => {
    const { source, letGo, model } = slowSource("slow");
    const app = createApp({ model: new ModelDirectory([source]), keepAliveMs: 5 });
    const ask = async (signal: AbortSignal) => {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify({ messages, stream: true });
      const response = await app.request(CHAT, { method: "POST", headers, body, signal });
      return response.body!.pipeThrough(new TextDecoderStream()).getReader();
    };
    const abort = new AbortController();
    const [left, reader] = await Promise.all([ask(abort.signal), ask(new AbortController().signal)]);
    for (const waiting of [left, reader]) expect((await waiting.read()).value).toBe(": keep-alive\n\n");
    abort.abort();
    await left.cancel();
    letGo();
    let text = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    expect(text).toMatch(/"content":"Hello"[\s\S]*data: \[DONE\]\n\n$/);
    expect(model.requests).toHaveLength(1);
  });

  it("hold a model no longer than their client is there, also where nobody reads the answer's rest", async () => {
    const { source, letGo } = slowSource("slow", new ScriptedModel({ hangs: true }));
    letGo();
    const directory = new ModelDirectory([source]);
    const app = createApp({ model: directory });
    const abort = new AbortController();
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ messages, stream: true });
    await app.request(CHAT, { method: "POST", headers, body, signal: abort.signal });
    const unloaded = directory.unload("slow", new AbortController().signal);
    expect(directory.cards()).toMatchObject([{ state: "unloading" }]);
    abort.abort();
    expect(await unloaded).toMatchObject({ state: "unloaded" });
  });

  it("hear of it when their time is up before the model is there", async () => {
    const { source } = slowSource("slow");
    const app = createApp({ model: new ModelDirectory([source]), answerTimeoutMs: 5 });
    const headers = { "content-type": "application/json" };
    const response = await app.request(CHAT, { method: "POST", headers, body: JSON.stringify({ messages }) });
    expect([response.status, await response.json()]).toMatchObject([504, { error: { code: "timeout" } }]);
  });

  it("hear why it could not be loaded, and the next one tries again", async () => {
    const gone = path.join(fixture("gguf")!, "nosuch.gguf");
    const missing = modelSource({ name: "gone", path: gone }, options, { stderr: new Output(io.stderr, {}) });
    const app = createApp({ model: new ModelDirectory([missing, ...sources]) });
    const headers = { "content-type": "application/json" };
    for (let i = 0; i < 2; i++) {
      const body = JSON.stringify({ model: "gone", messages });
      const response = await app.request(CHAT, { method: "POST", headers, body });
      const message = expect.stringMatching(/^model "gone" could not be loaded: .*nosuch\.gguf.* no such file/);
      expect([response.status, await response.json()]).toMatchObject([
        500,
        { error: { message, code: "model_failed" } },
      ]);
    }
    expect((await app.request("/health")).status).toBe(200);
  });
});

/** What JavaScript still holds when all that nobody reaches is gone; memory of the kernels is counted apart. */
function reachableBytes(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
