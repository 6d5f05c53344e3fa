import { expect, test, vi } from "vitest";
import { ScriptedModel } from "../../test/server/scripted-model.ts";
import { ApiError, CacheFullError, ConfigError, TextError } from "../errors.ts";
import { chatCompletion, chatCompletionChunk } from "../protocol/chat-response.ts";
import { completion } from "../protocol/completion-response.ts";
import { errorBody } from "../protocol/error.ts";
import { modelList } from "../protocol/models.ts";
import { type AppOptions, createApp, type RequestLog } from "./app.ts";

const CHAT = "/v1/chat/completions";
const messages = [{ role: "user", content: "Hi there" }];

function post(path: string, body: unknown, options: Partial<AppOptions> = {}, init: RequestInit = {}) {
  const app = createApp({ model: new ScriptedModel(), ...options });
  return app.request(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...init,
  });
}

async function refusal(response: Response) {
  expect(response.headers.get("content-type")).toBe("application/json");
  return { status: response.status, ...errorBody.parse(await response.json()).error };
}

/** The data of each event. */
async function events(response: Response): Promise<string[]> {
  const text = await response.text();
  expect(text.endsWith("\n\n")).toBe(true);
  return text
    .split("\n\n")
    .slice(0, -1)
    .map((event) => event.replace(/^data: /, ""));
}

test("a chat answer has the form of the schema and the real model's name", async () => {
  const model = new ScriptedModel();
  const response = await post(CHAT, { model: "deepseek-v3", messages }, { model });
  expect(response.status).toBe(200);
  const answer = chatCompletion.strict().parse(await response.json());
  expect(answer).toMatchObject({
    id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/),
    model: "scripted",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: "Hello, world!", refusal: null },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 },
  });
  expect(model.requests[0]).toMatchObject({ maxTokens: null, topLogprobs: null, sampling: {} });
});

test("a streamed chat answer opens with the role, ends with a reason, usage and [DONE]", async () => {
  const response = await post(CHAT, { messages, stream: true, stream_options: { include_usage: true } });
  const data = await events(response);
  expect(data.pop()).toBe("[DONE]");
  const chunks = data.map((text) => chatCompletionChunk.strict().parse(JSON.parse(text)));
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  expect(chunks[0]?.choices[0]?.delta).toEqual({ role: "assistant", content: "" });
  expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe("Hello, world!");
  expect(chunks.at(-2)?.choices[0]).toMatchObject({ delta: {}, finish_reason: "stop" });
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 8 } });
  expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
});

test("without include_usage no chunk has usage", async () => {
  const data = await events(await post(CHAT, { messages, stream: true }));
  expect(data.some((text) => text.includes('"usage"'))).toBe(false);
});

test("every sampling field reaches the engine under its own name", async () => {
  const model = new ScriptedModel();
  const fields = {
    temperature: 0.5,
    top_p: 0.9,
    presence_penalty: 1,
    frequency_penalty: -1,
    seed: 7,
    logit_bias: { 12: -100 },
    top_k: 40,
    min_p: 0.1,
    typical_p: 0.8,
    repetition_penalty: 1.1,
    repeat_last_n: 64,
    dry_multiplier: 0.8,
    dry_base: 2,
    dry_allowed_length: 3,
    dry_penalty_last_n: 100,
    xtc_probability: 0.5,
    xtc_threshold: 0.2,
    mirostat: 2,
    mirostat_tau: 4,
    mirostat_eta: 0.2,
  };
  await post(
    CHAT,
    { messages, ...fields, stop: "x", max_tokens: 9, ignore_eos: true, logprobs: true, top_logprobs: 3 },
    { model },
  );
  expect(model.requests[0]).toMatchObject({ maxTokens: 9, stop: ["x"], ignoreEndTokens: true, topLogprobs: 3 });
  expect(model.requests[0]?.sampling).toEqual({
    temperature: 0.5,
    topP: 0.9,
    presencePenalty: 1,
    frequencyPenalty: -1,
    seed: 7n,
    logitBias: new Map([[12, -100]]),
    topK: 40,
    minP: 0.1,
    typicalP: 0.8,
    repetitionPenalty: 1.1,
    repeatLastN: 64,
    dryMultiplier: 0.8,
    dryBase: 2,
    dryAllowedLength: 3,
    dryPenaltyLastN: 100,
    xtcProbability: 0.5,
    xtcThreshold: 0.2,
    mirostat: 2,
    mirostatTau: 4,
    mirostatEta: 0.2,
  });
});

test("choices get seeds in a row, and their prompt is counted once", async () => {
  const model = new ScriptedModel({ answer: ({ sampling }) => [`seed ${sampling?.seed}`] });
  const answer = chatCompletion.parse(await (await post(CHAT, { messages, n: 3, seed: 5 }, { model })).json());
  expect(answer.choices.map(({ index, message }) => [index, message.content])).toEqual([
    [0, "seed 5"],
    [1, "seed 6"],
    [2, "seed 7"],
  ]);
  expect(answer.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 6, total_tokens: 9 });
});

test("the chat template gets plain messages, and tools only when they may be used", async () => {
  const model = new ScriptedModel();
  const tools = [{ type: "function", function: { name: "now" } }];
  const conversation = [
    { role: "developer", content: "Be brief." },
    ...messages,
    {
      role: "assistant",
      content: "",
      tool_calls: [{ id: "c1", type: "function", function: { name: "now", arguments: "{}" } }],
    },
    { role: "tool", tool_call_id: "c1", content: [{ type: "text", text: "noon" }] },
  ];
  await post(CHAT, { messages: conversation, tools, thinking: true }, { model });
  await post(CHAT, { messages, tools, tool_choice: "none" }, { model });
  expect(model.chats[0]).toEqual({
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hi there" },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c1", type: "function", function: { name: "now", arguments: "{}" } }],
      },
      { role: "tool", content: "noon", tool_call_id: "c1" },
    ],
    tools: [
      { type: "function", function: { name: "now", description: "", parameters: { type: "object", properties: {} } } },
    ],
    thinking: true,
  });
  expect(model.chats[1]).toMatchObject({ tools: null, thinking: undefined });
});

test("completions take texts and token ids, several at once", async () => {
  const model = new ScriptedModel({ answer: ({ prompt }) => [`${prompt.length}`, " tokens"] });
  const answer = completion
    .strict()
    .parse(await (await post("/v1/completions", { prompt: ["a b c", "d"], n: 2 }, { model })).json());
  expect(answer.choices.map(({ text, index }) => [index, text])).toEqual([
    [0, "4 tokens"],
    [1, "4 tokens"],
    [2, "2 tokens"],
    [3, "2 tokens"],
  ]);
  expect(answer.usage).toMatchObject({ prompt_tokens: 6, completion_tokens: 12, total_tokens: 18 });
  expect(model.requests[0]?.maxTokens).toBe(16);
  await post("/v1/completions", { prompt: [0, 1] }, { model });
  expect(model.requests.at(-1)?.prompt).toEqual([0, 1]);
  const unknown = await refusal(await post("/v1/completions", { prompt: [[0], [0, 999]] }, { model }));
  expect(unknown).toMatchObject({
    status: 400,
    param: "prompt[1]",
    message: expect.stringContaining("999 is not a token"),
  });
});

test("streamed completions carry text, log-probabilities and usage", async () => {
  const body = { prompt: "a", stream: true, logprobs: 2, stream_options: { include_usage: true } };
  const data = await events(await post("/v1/completions", body));
  expect(data.pop()).toBe("[DONE]");
  const chunks = data.map((text) => completion.strict().parse(JSON.parse(text)));
  expect(chunks.map(({ choices }) => choices[0]?.text ?? "").join("")).toBe("Hello, world!");
  expect(chunks.flatMap(({ choices }) => choices[0]?.logprobs?.text_offset ?? [])).toEqual([0, 5, 6, 12]);
  expect(chunks[0]?.choices[0]?.logprobs?.top_logprobs).toEqual([{ Hello: -0.25, "<bos>": -9999 }]);
  expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe("stop");
  expect(chunks.at(-1)?.usage?.total_tokens).toBe(7);
});

test("the model list describes the model; other names are not found there", async () => {
  const app = createApp({ model: new ScriptedModel() });
  const list = modelList.parse(await (await app.request("/v1/models")).json());
  expect(list.data).toEqual([
    {
      id: "scripted",
      object: "model",
      created: 1_700_000_000,
      owned_by: "deepts",
      description: "A scripted model for tests.",
      context_length: 4096,
      state: "loaded",
      memory_bytes: null,
    },
  ]);
  expect((await app.request("/v1/models/scripted")).status).toBe(200);
  expect(await refusal(await app.request("/v1/models/org/other"))).toMatchObject({
    status: 404,
    code: "model_not_found",
    param: "model",
  });
});

test("while the model loads, health says so and routes ask to come back; afterwards all answer", async () => {
  let loaded = (_: ScriptedModel) => {};
  const model = new Promise<ScriptedModel>((resolve) => {
    loaded = resolve;
  });
  const app = createApp({ model });
  const loading = await app.request("/health");
  expect([loading.status, await loading.json()]).toEqual([503, { status: "loading" }]);
  const list = await app.request("/v1/models");
  expect(list.headers.get("retry-after")).toBe("1");
  expect(await refusal(list)).toMatchObject({ status: 503, code: "model_loading", type: "server_error" });
  expect((await app.request("/")).status).toBe(200);
  loaded(new ScriptedModel());
  const health = async () => (await app.request("/health")).json();
  await expect.poll(health).toEqual({ status: "ok", model: "scripted" });
  expect((await app.request("/health")).status).toBe(200);
});

test("a model that could not be loaded is reported by every route", async () => {
  const model = Promise.reject(new Error("model.gguf: byte 0: no GGUF file"));
  const app = createApp({ model });
  const health = async () => (await app.request("/health")).json();
  await expect.poll(health).toEqual({ status: "failed", message: "model.gguf: byte 0: no GGUF file" });
  expect((await app.request("/health")).status).toBe(500);
  expect(await refusal(await app.request("/v1/models"))).toMatchObject({ status: 500, code: "model_failed" });
});

test.each<[string, unknown, Record<string, unknown>]>([
  [
    "a refusal of the API",
    new ApiError(400, "8000 tokens do not fit", { code: "context_length_exceeded", param: "messages" }),
    { status: 400, code: "context_length_exceeded", param: "messages" },
  ],
  [
    "a full queue",
    new ApiError(503, "queue full", { code: "queue_full" }),
    { status: 503, type: "server_error", code: "queue_full" },
  ],
  ["a full cache", new CacheFullError("no page left"), { status: 503, code: "cache_full" }],
  [
    "a sampling field",
    new ConfigError("topK", "want an integer, got -1"),
    { status: 400, param: "top_k", message: "'top_k': want an integer, got -1" },
  ],
  [
    "text that cannot be handled",
    new TextError("the template says no"),
    { status: 400, code: "invalid_text", message: "the template says no" },
  ],
  ["another field", new ConfigError("rope_theta", "/secret/path"), { status: 500, code: "internal_error" }],
  ["anything else", new Error("/secret/path"), { status: 500, type: "server_error", code: "internal_error" }],
  ["what is no error", "boom", { status: 500, code: "internal_error" }],
])("before the first token, %s gets its own status, streamed or not", async (_, error, wanted) => {
  for (const stream of [false, true]) {
    const model = new ScriptedModel({ fails: { after: 0, error } });
    const response = await post(CHAT, { messages, stream }, { model });
    const got = await refusal(response);
    expect(got).toMatchObject(wanted);
    expect(got.message).not.toContain("secret");
    expect(response.headers.get("retry-after")).toBe(got.status === 503 ? "1" : null);
  }
});

test("a refusal for a time is no failure in the log, what broke is", async () => {
  const refused = new ApiError(503, "queue full", { code: "queue_full" });
  const broken = new ApiError(503, "not now", { code: "unloadable", cause: new Error("no memory") });
  for (const [error, logged] of [
    [refused, undefined],
    [broken, broken.cause],
  ] as const) {
    const log = vi.fn<(entry: RequestLog) => void>();
    await post(CHAT, { messages }, { model: new ScriptedModel({ fails: { after: 0, error } }), log });
    expect(log.mock.calls.map(([entry]) => [entry.status, entry.error])).toEqual([[503, logged]]);
  }
});

test("a failure in the middle of a stream is an error event, and logged", async () => {
  const log: RequestLog[] = [];
  const error = new Error("/secret/path");
  const response = await post(
    CHAT,
    { messages, stream: true },
    {
      model: new ScriptedModel({ fails: { after: 2, error } }),
      log: (entry) => log.push(entry),
    },
  );
  const data = await events(response);
  expect(data.at(-1)).toMatch(/^event: error\ndata: \{"error":/);
  expect(data).not.toContain("[DONE]");
  expect(log).toMatchObject([{ status: 200 }, { status: 500, error }]);
});

test.each<[string, string | Uint8Array<ArrayBuffer>, Record<string, string>, number, string]>([
  [
    "a form",
    "a=b",
    { "content-type": "application/x-www-form-urlencoded" },
    415,
    "want the header content-type: application/json",
  ],
  ["no type", new Uint8Array([123]), {}, 415, "got no content-type"],
  [
    "a compressed body",
    "{}",
    { "content-type": "application/json", "content-encoding": "gzip" },
    415,
    "send the body as it is",
  ],
  ["nothing", " ", { "content-type": "application/json" }, 400, "the body is empty"],
  ["broken JSON", '{\n "messages": [}', { "content-type": "application/json" }, 400, "line 2, column 15: want a value"],
  [
    "deep JSON",
    "[".repeat(5000),
    { "content-type": "application/json; charset=utf-8" },
    400,
    "nested deeper than 100 levels",
  ],
  [
    "bytes that are no text",
    new Uint8Array([0x22, 0xff, 0x22]),
    { "content-type": "application/json" },
    400,
    "not UTF-8",
  ],
])("%s is refused with the reason", async (_, body, headers, status, message) => {
  const got = await refusal(await post(CHAT, "", {}, { body, headers }));
  expect(got.status).toBe(status);
  expect(got.message).toContain(message);
});

test("bodies above the limit are refused, announced or not", async () => {
  const body = JSON.stringify({ messages: [{ role: "user", content: "x".repeat(2000) }] });
  const stream = new ReadableStream({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode(body));
    },
  });
  const headers = { "content-type": "application/json" };
  const options = { maxBodyBytes: 1000 };
  expect(
    await refusal(await post(CHAT, body, options, { headers: { ...headers, "content-length": "2100" } })),
  ).toMatchObject({ status: 413 });
  const chunked = { body: stream, headers, duplex: "half" } as RequestInit;
  expect(await refusal(await post(CHAT, "", options, chunked))).toMatchObject({ status: 413, code: "body_too_large" });
});

test("unknown paths and wrong methods are answered in OpenAI's form", async () => {
  const app = createApp({ model: new ScriptedModel() });
  expect(await refusal(await app.request("/v2/nothing"))).toMatchObject({ status: 404, code: "not_found" });
  const wrong = await app.request(CHAT);
  expect(wrong.headers.get("allow")).toBe("POST, OPTIONS");
  expect(await refusal(wrong)).toMatchObject({ status: 405, code: "method_not_allowed" });
  expect((await app.request("/v1/models", { method: "DELETE" })).status).toBe(405);
});

test("HEAD answers like GET without a body, OPTIONS names the methods", async () => {
  const app = createApp({ model: new ScriptedModel() });
  const head = await app.request("/health", { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
  const options = await app.request("/v1/models", { method: "OPTIONS" });
  expect([options.status, options.headers.get("allow")]).toEqual([204, "GET, HEAD, OPTIONS"]);
  expect(options.headers.get("access-control-allow-origin")).toBeNull();
});

test("names that are not this server's are refused; addresses, localhost and configured names are not", async () => {
  const app = createApp({ model: new ScriptedModel(), allowedHosts: ["llm.example"] });
  const status = async (host: string) => (await app.request(`http://${host}/health`)).status;
  for (const host of [
    "localhost:8080",
    "a.localhost",
    "127.0.0.1:1",
    "[::1]:8080",
    "192.168.0.7",
    "LLM.example:99",
    "llm.example.",
  ]) {
    expect([host, await status(host)]).toEqual([host, 200]);
  }
  for (const host of ["evil.com", "127.0.0.1.evil.com", "localhost.evil.com", "xllm.example"]) {
    const response = await app.request(`http://${host}/health`);
    expect(await refusal(response)).toMatchObject({
      status: 403,
      code: "host_not_allowed",
      message: expect.stringContaining(host),
    });
  }
});

test("other origins are let in only when configured", async () => {
  const headers = {
    origin: "https://app.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type",
  };
  const preflight = (cors?: readonly string[] | "*") =>
    createApp({ model: new ScriptedModel(), cors }).request(CHAT, { method: "OPTIONS", headers });
  expect((await preflight()).headers.get("access-control-allow-origin")).toBeNull();
  expect((await preflight(["https://other.example"])).headers.get("access-control-allow-origin")).toBeNull();
  const allowed = await preflight(["https://app.example"]);
  expect(allowed.headers.get("access-control-allow-origin")).toBe("https://app.example");
  expect(allowed.headers.get("access-control-allow-headers")).toBe("content-type");
  const wrong = await post(CHAT, {}, { cors: ["https://app.example"] }, { headers: { origin: "https://app.example" } });
  expect([wrong.status, wrong.headers.get("access-control-allow-origin")]).toEqual([415, "https://app.example"]);
  expect((await preflight("*")).headers.get("access-control-allow-origin")).toBe("*");
});

test("pages of other origins may read what is left of their limits", async () => {
  const rateLimits = { requestsPerMinute: 9, tokensPerMinute: 99 };
  const app = createApp({ model: new ScriptedModel(), cors: "*", rateLimits });
  const { headers } = await app.request("/v1/models", { headers: { origin: "https://app.example" } });
  const limits = [...headers.keys()].filter((name) => name.startsWith("x-ratelimit-"));
  expect(limits).toHaveLength(6);
  expect(headers.get("access-control-expose-headers")!.split(",")).toEqual(
    expect.arrayContaining([...limits, "x-request-id", "retry-after"]),
  );
});

test("every answer has an id and security headers", async () => {
  const app = createApp({ model: new ScriptedModel() });
  for (const path of ["/", "/health", "/nothing", "/v1/models", CHAT]) {
    const { headers } = await app.request(path, { headers: { "x-request-id": "mine-1" } });
    expect(headers.get("x-request-id")).toBe("mine-1");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("content-security-policy")).toMatch(/^default-src 'none'/);
    expect(headers.get("content-security-policy")).not.toContain("unsafe");
  }
  expect(
    (await app.request("/health", { headers: { "x-request-id": "<script>" } })).headers.get("x-request-id"),
  ).toMatch(/^[\w-]+$/);
});

test("the log tells what happened and nothing that was said", async () => {
  const log = vi.fn<(entry: RequestLog) => void>();
  await post(`${CHAT}?key=secret`, { messages: [{ role: "user", content: "secret" }] }, { log });
  await post(CHAT, { messages: "secret" }, { log });
  expect(log.mock.calls).toMatchObject([
    [{ method: "POST", path: CHAT, status: 200, durationMs: expect.any(Number), requestId: expect.any(String) }],
    [{ status: 400 }],
  ]);
  expect(JSON.stringify(log.mock.calls)).not.toContain("secret");
});

test("a client that stops reading stops the generation", async () => {
  const model = new ScriptedModel({ hangs: true });
  const response = await post(CHAT, { messages, stream: true, n: 2 }, { model });
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  await model.firstStop;
  expect(model.stopped).toBe(2);
});

test("a client that is gone before the answer stops the generation", async () => {
  const model = new ScriptedModel({ hangs: true, answer: () => [] });
  for (const stream of [false, true]) {
    const abort = new AbortController();
    const response = post(CHAT, { messages, stream }, { model }, { signal: abort.signal });
    await vi.waitUntil(() => model.requests.length === (stream ? 2 : 1));
    abort.abort();
    expect((await response).status).toBe(499);
  }
  expect(model.stopped).toBe(2);
});
