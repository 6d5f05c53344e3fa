import OpenAI from "openai";
import { expect, test } from "vitest";
import { type Script, ScriptedModel } from "./scripted-model.ts";
import { startServer, type TestServer } from "./start-server.ts";

const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "Hi there" }];

/** DeepSeek's documentation uses the openai client with these base URLs. */
async function deepseek(script: Script = {}, options: Parameters<typeof startServer>[1] = {}) {
  const model = new ScriptedModel(script);
  const server = await startServer(model, options);
  const client = (base: string) => new OpenAI({ baseURL: server.url + base, apiKey: "none", maxRetries: 0 });
  return { model, server, client: client(""), beta: client("/beta") };
}

function post(server: TestServer, path: string, body: string) {
  return fetch(server.url + path, { method: "POST", headers: { "content-type": "application/json" }, body });
}

test("chat works under DeepSeek's base URLs", async () => {
  const { client, beta } = await deepseek();
  for (const api of [client, beta]) {
    const answer = await api.chat.completions.create({ model: "deepseek-chat", messages });
    expect(answer.choices[0]!.message.content).toBe("Hello, world!");
    expect(answer.usage).toMatchObject({ prompt_cache_hit_tokens: 0, prompt_cache_miss_tokens: 3 });
  }
  expect((await client.models.list()).data).toHaveLength(1);
});

test("an answer goes on from a last message with prefix: true", async () => {
  const { model, beta } = await deepseek();
  const begun = { role: "assistant", content: "Well, <｜User｜>", prefix: true } as OpenAI.ChatCompletionMessageParam;
  const answer = await beta.chat.completions.create({ model: "x", messages: [...messages, begun] });
  expect(answer.choices[0]!.message.content).toBe("Hello, world!");
  expect(model.chats[0]!.messages).toHaveLength(1);
  expect(model.decode(model.requests[0]!.prompt)).toBe("<bos>Hi thereWell, <｜User｜>");
  expect(model.requests[0]!.prompt).toEqual([...model.encodePrompt("Hi there"), ...model.encode("Well, <｜User｜>")]);
});

test("a prefix ends the reasoning that the template opened, or is a part of it", async () => {
  const { model, beta } = await deepseek({ startsInThinking: true, answer: () => ["more", "</think>", "done"] });
  const ask = async (message: object) => {
    const begun = { role: "assistant", prefix: true, ...message } as OpenAI.ChatCompletionMessageParam;
    const { choices } = await beta.chat.completions.create({ model: "x", messages: [...messages, begun] });
    return { prompt: model.decode(model.requests.at(-1)!.prompt), ...choices[0]!.message };
  };
  expect(await ask({ content: "So:" })).toMatchObject({
    prompt: "<bos>Hi there\n</think>\n\nSo:",
    content: "more</think>done",
  });
  expect(await ask({ content: "So:", reasoning_content: "Hm." })).toMatchObject({
    prompt: "<bos>Hi thereHm.\n</think>\n\nSo:",
  });
  expect(await ask({ content: "", reasoning_content: "Hm." })).toMatchObject({
    prompt: "<bos>Hi thereHm.",
    reasoning_content: "more",
    content: "done",
  });
});

test("prefix on another than the last message is refused", async () => {
  const { beta } = await deepseek();
  const begun = { role: "assistant", content: "x", prefix: true } as OpenAI.ChatCompletionMessageParam;
  const asked = beta.chat.completions.create({ model: "x", messages: [begun, ...messages] });
  await expect(asked).rejects.toMatchObject({ status: 422, param: "messages[0].prefix" });
});

test("suffix fills in the middle, and both texts stay plain", async () => {
  const { model, beta } = await deepseek();
  const answer = await beta.completions.create({ model: "x", prompt: "def f(", suffix: "<｜fim▁end｜> return" });
  expect(answer.choices[0]!.text).toBe("Hello, world!");
  const { prompt } = model.requests[0]!;
  expect(model.decode(prompt)).toBe("<bos><｜fim▁begin｜>def f(<｜fim▁hole｜><｜fim▁end｜> return<｜fim▁end｜>");
  const end = model.encode("<｜fim▁end｜>", { special: true })[0];
  expect(prompt.filter((token) => token === end)).toHaveLength(1);
});

test("suffix is refused by name where the model has no tokens for it, and beside token ids", async () => {
  class PlainModel extends ScriptedModel {
    override encode(text: string) {
      return [...text].flatMap((character) => super.encode(character));
    }
  }
  const { client } = await startServer(new PlainModel());
  const refused = client.completions.create({ model: "x", prompt: "a", suffix: "b" });
  await expect(refused).rejects.toMatchObject({ status: 400, code: "unsupported_parameter", param: "suffix" });
  const ids = client.completions.create({ model: "x", prompt: [0], suffix: "b" });
  await expect(ids).rejects.toMatchObject({ status: 400, param: "suffix" });
});

test("errors have DeepSeek's statuses: 400 for what is no JSON, 422 for a parameter", async () => {
  const { server } = await deepseek();
  const statuses = await Promise.all([
    post(server, "/chat/completions", "{").then(({ status }) => status),
    post(server, "/chat/completions", '{"messages": 1}').then(({ status }) => status),
    post(server, "/beta/completions", '{"prompt": "x", "temperature": 3}').then(({ status }) => status),
    post(server, "/v1/chat/completions", '{"messages": 1}').then(({ status }) => status),
  ]);
  expect(statuses).toEqual([400, 422, 422, 400]);
});

/** A model whose answer waits until it is let go. */
function waiting(outcome: () => readonly string[]) {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  class WaitingModel extends ScriptedModel {
    override async *generate(...parameters: Parameters<ScriptedModel["generate"]>) {
      await released;
      yield* super.generate(...parameters);
    }
  }
  return { model: new WaitingModel({ answer: outcome }), release: () => release() };
}

test("while an answer is awaited empty lines come, then the JSON", async () => {
  const { model, release } = waiting(() => ["late"]);
  const server = await startServer(model, { keepAliveMs: 5 });
  const response = await post(server, "/chat/completions", JSON.stringify({ messages }));
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader.read()).value!;
  expect(text).toMatch(/^\n+$/);
  release();
  for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
  expect(JSON.parse(text).choices[0].message.content).toBe("late");
});

test("an error after the first empty line is told by the body", async () => {
  const { model, release } = waiting(() => {
    throw new Error("broken inside");
  });
  const failures: unknown[] = [];
  const server = await startServer(model, { keepAliveMs: 5, log: ({ error }) => error && failures.push(error) });
  const response = await post(server, "/chat/completions", JSON.stringify({ messages }));
  release();
  expect(JSON.parse(await response.text()).error).toMatchObject({ type: "server_error", code: "internal_error" });
  expect(failures).toHaveLength(1);
});

test("a stream that waits sends keep-alive comments", async () => {
  const { model, release } = waiting(() => ["late"]);
  const server = await startServer(model, { keepAliveMs: 5 });
  const response = await post(server, "/chat/completions", JSON.stringify({ messages, stream: true }));
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader.read()).value).toContain(": keep-alive\n\n");
  release();
  let text = "";
  for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
  expect(text).toContain('"content":"late"');
});
