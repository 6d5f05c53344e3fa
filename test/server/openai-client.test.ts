import OpenAI from "openai";
import { expect, test } from "vitest";
import { ApiError } from "../../src/errors.ts";
import { ScriptedModel } from "./scripted-model.ts";
import { startServer } from "./start-server.ts";

const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "Hi there" }];
const ask = { model: "deepseek-v3", messages };

const TOOLS: OpenAI.ChatCompletionTool[] = [
  {
    type: "function",
    function: { name: "get_time", parameters: { type: "object", properties: { zone: { type: "string" } } } },
  },
];
const TOOL_CALL = [
  "<｜tool▁calls▁begin｜>",
  "<｜tool▁call▁begin｜>",
  "get_time",
  "<｜tool▁sep｜>",
  '{"zone":',
  ' "UTC"}',
  "<｜tool▁call▁end｜>",
  "<｜tool▁calls▁end｜>",
];

test("chat, plain", async () => {
  const { client } = await startServer(new ScriptedModel());
  const answer = await client.chat.completions.create(ask);
  expect(answer.choices[0]).toMatchObject({
    message: { role: "assistant", content: "Hello, world!" },
    finish_reason: "stop",
  });
  expect(answer.model).toBe("scripted");
  expect(answer.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 });
  expect(answer._request_id).toMatch(/^[\w-]+$/);
});

test("chat, streamed, with usage", async () => {
  const { client } = await startServer(new ScriptedModel());
  const stream = await client.chat.completions.create({
    ...ask,
    stream: true,
    stream_options: { include_usage: true },
  });
  const pieces: string[] = [];
  let last: OpenAI.ChatCompletionChunk | undefined;
  for await (const chunk of stream) {
    pieces.push(chunk.choices[0]?.delta.content ?? "");
    last = chunk;
  }
  expect(pieces.filter((piece) => piece !== "")).toEqual(["Hello", ",", " world", "!"]);
  expect(last?.usage?.total_tokens).toBe(8);
});

test("the client's own stream helper puts the answer together", async () => {
  const { client } = await startServer(new ScriptedModel());
  const stream = client.chat.completions.stream(ask);
  expect(await stream.finalContent()).toBe("Hello, world!");
});

test("stop strings and limits end the answer with their reason", async () => {
  const { client } = await startServer(new ScriptedModel());
  const stopped = await client.chat.completions.create({ ...ask, stop: ["world"] });
  expect(stopped.choices[0]).toMatchObject({ message: { content: "Hello," }, finish_reason: "stop" });
  const cut = await client.chat.completions.create({ ...ask, max_completion_tokens: 1 });
  expect(cut.choices[0]).toMatchObject({ message: { content: "Hello" }, finish_reason: "length" });
});

test("several choices, plain and streamed, each with its own seed", async () => {
  const { client } = await startServer(
    new ScriptedModel({ answer: ({ sampling }) => ["seed ", String(sampling?.seed)] }),
  );
  const answer = await client.chat.completions.create({ ...ask, n: 2, seed: 41 });
  expect(answer.choices.map(({ message }) => message.content)).toEqual(["seed 41", "seed 42"]);
  const streamed = await client.chat.completions.stream({ ...ask, n: 2, seed: 41 }).finalChatCompletion();
  expect(streamed.choices.map(({ message }) => message.content)).toEqual(["seed 41", "seed 42"]);
});

test("log-probabilities come with bytes and alternatives", async () => {
  const { client } = await startServer(new ScriptedModel({ answer: () => ["é"] }));
  const asked = { ...ask, logprobs: true, top_logprobs: 2 };
  const answer = await client.chat.completions.create(asked);
  const wanted = {
    token: "é",
    logprob: -0.25,
    bytes: [0xc3, 0xa9],
    top_logprobs: [
      { token: "é", logprob: -0.25 },
      { token: "<bos>", logprob: -9999 },
    ],
  };
  expect(answer.choices[0]?.logprobs?.content).toMatchObject([wanted]);
  const streamed = await client.chat.completions.stream(asked).finalChatCompletion();
  expect(streamed.choices[0]?.logprobs?.content).toMatchObject([wanted]);
});

test("tool calls, plain and streamed, and the way back", async () => {
  const model = new ScriptedModel({ answer: () => TOOL_CALL });
  const { client } = await startServer(model);
  const asked = { ...ask, tools: TOOLS };
  const call = {
    id: expect.stringMatching(/^call_/),
    type: "function",
    function: { name: "get_time", arguments: '{"zone": "UTC"}' },
  };
  const answer = await client.chat.completions.create(asked);
  expect(answer.choices[0]).toMatchObject({
    message: { content: null, tool_calls: [call] },
    finish_reason: "tool_calls",
  });
  const streamed = await client.chat.completions.stream(asked).finalChatCompletion();
  expect(streamed.choices[0]).toMatchObject({ message: { tool_calls: [call] }, finish_reason: "tool_calls" });

  const { message } = answer.choices[0]!;
  const result = { role: "tool" as const, tool_call_id: message.tool_calls![0]!.id, content: "noon" };
  await client.chat.completions.create({ ...asked, messages: [...messages, message, result] });
  expect(model.chats.at(-1)?.messages).toMatchObject([
    { role: "user" },
    { content: null, tool_calls: [call] },
    { role: "tool", content: "noon" },
  ]);
});

test("arguments of a tool call arrive in pieces", async () => {
  const { client } = await startServer(new ScriptedModel({ answer: () => TOOL_CALL }));
  const pieces: string[] = [];
  for await (const chunk of await client.chat.completions.create({ ...ask, tools: TOOLS, stream: true })) {
    for (const call of chunk.choices[0]?.delta.tool_calls ?? []) pieces.push(call.function?.arguments ?? "");
  }
  expect(pieces.filter((piece) => piece !== "").length).toBeGreaterThan(1);
  expect(pieces.join("")).toBe('{"zone": "UTC"}');
});

test("reasoning is apart from the content, plain and streamed", async () => {
  const script = { startsInThinking: true, answer: () => ["I think", "</think>", "So."] };
  const { client } = await startServer(new ScriptedModel(script));
  const answer = await client.chat.completions.create(ask);
  expect(answer.choices[0]?.message).toMatchObject({ content: "So.", reasoning_content: "I think" });
  expect(answer.usage?.completion_tokens_details?.reasoning_tokens).toBe(1);
  const deltas: unknown[] = [];
  for await (const chunk of await client.chat.completions.create({ ...ask, stream: true }))
    deltas.push(chunk.choices[0]?.delta);
  expect(deltas).toEqual([
    { role: "assistant", content: "" },
    { reasoning_content: "I think" },
    { content: "So." },
    {},
  ]);
});

test("errors are the client's own classes, with the field at fault", async () => {
  const { client } = await startServer(new ScriptedModel());
  const wrong = client.chat.completions.create({ ...ask, temperature: 9 });
  await expect(wrong).rejects.toThrow(OpenAI.BadRequestError);
  await expect(wrong).rejects.toMatchObject({
    status: 400,
    param: "temperature",
    code: "invalid_value",
    type: "invalid_request_error",
  });
  const audio = client.chat.completions.create({ ...ask, modalities: ["audio"] });
  await expect(audio).rejects.toMatchObject({ status: 400, param: "modalities", code: "unsupported_parameter" });
  await expect(client.models.retrieve("other")).rejects.toThrow(OpenAI.NotFoundError);
});

test("a failure in the middle of a stream is thrown by the client", async () => {
  const { client } = await startServer(new ScriptedModel({ fails: { after: 2, error: new Error("broken") } }));
  const pieces: string[] = [];
  const read = async () => {
    for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) {
      pieces.push(chunk.choices[0]?.delta.content ?? "");
    }
  };
  await expect(read()).rejects.toMatchObject({ code: "internal_error" });
  expect(pieces).toEqual(["", "Hello", ","]);
});

test("a full queue is retried by a client with retries", async () => {
  const error = new ApiError(503, "the queue is full", { code: "queue_full" });
  let calls = 0;
  const model = new ScriptedModel({
    answer: () => {
      if (++calls === 1) throw error;
      return ["there"];
    },
  });
  const { client } = await startServer(model);
  const answer = await client.withOptions({ maxRetries: 1 }).chat.completions.create(ask);
  expect(answer.choices[0]?.message.content).toBe("there");
});

test("a client that has sent too much is told how long to wait", async () => {
  const { client } = await startServer(new ScriptedModel(), { rateLimits: { requestsPerMinute: 1 } });
  await client.chat.completions.create(ask);
  await expect(client.chat.completions.create(ask)).rejects.toBeInstanceOf(OpenAI.RateLimitError);
  const refused = await client.chat.completions.create(ask).catch((error: unknown) => error);
  if (!(refused instanceof OpenAI.RateLimitError)) throw new Error("want a refusal");
  const seconds = Number(refused.headers.get("retry-after"));
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(60);
});

test("a refusal that says when to come back is retried then", async () => {
  let refusals = 1;
  class LimitedModel extends ScriptedModel {
    override async *generate(...parameters: Parameters<ScriptedModel["generate"]>) {
      if (refusals-- > 0) throw new ApiError(429, "too many", { code: "rate_limit_exceeded", retryAfter: 1 });
      yield* super.generate(...parameters);
    }
  }
  const { client } = await startServer(new LimitedModel());
  const answer = await client.chat.completions.create(ask, { maxRetries: 1 });
  expect(answer.choices[0]!.message.content).toBe("Hello, world!");
  expect(refusals).toBe(-1);
});

test("an abort of the client stops the generation, streamed and not", async () => {
  for (const stream of [true, false]) {
    const model = new ScriptedModel({ hangs: true });
    const { client } = await startServer(model);
    const abort = new AbortController();
    if (stream) {
      const chunks = await client.chat.completions.create({ ...ask, stream: true }, { signal: abort.signal });
      for await (const chunk of chunks) if (chunk.choices[0]?.delta.content === "!") abort.abort();
    } else {
      const answer = client.chat.completions.create(ask, { signal: abort.signal });
      await expect.poll(() => model.requests.length).toBe(1);
      abort.abort();
      await expect(answer).rejects.toThrow(OpenAI.APIUserAbortError);
    }
    await model.firstStop;
    expect(model.stopped).toBe(1);
  }
});

test("models are listed and retrieved", async () => {
  const { client } = await startServer(new ScriptedModel());
  const models = await client.models.list();
  expect(models.data.map(({ id }) => id)).toEqual(["scripted"]);
  expect(await client.models.retrieve("scripted")).toMatchObject({
    id: "scripted",
    description: "A scripted model for tests.",
  });
});

test("completions, plain and streamed", async () => {
  const { client } = await startServer(new ScriptedModel());
  const answer = await client.completions.create({ model: "any", prompt: "Once", logprobs: 1 });
  expect(answer.choices[0]).toMatchObject({
    text: "Hello, world!",
    finish_reason: "stop",
    logprobs: { tokens: ["Hello", ",", " world", "!"] },
  });
  let text = "";
  for await (const chunk of await client.completions.create({ model: "any", prompt: [0], stream: true }))
    text += chunk.choices[0]?.text ?? "";
  expect(text).toBe("Hello, world!");
});
