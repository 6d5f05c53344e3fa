import Anthropic from "@anthropic-ai/sdk";
import { expect, test } from "vitest";
import { ApiError } from "../../src/errors.ts";
import { anthropicError, messagesAnswer, messagesEvent } from "../../src/protocol/messages-response.ts";
import { TOOL_CALL } from "./called-tool.ts";
import { type Script, ScriptedModel } from "./scripted-model.ts";
import { startServer } from "./start-server.ts";

const ask = { model: "claude", max_tokens: 100, messages: [{ role: "user" as const, content: "Hi there" }] };

/** Newer versions of the client have no names for these; the API has them, and other clients send them. */
const SAMPLING = { top_k: 5, temperature: 0.5 };

const TOOLS: Anthropic.Tool[] = [
  { name: "get_time", input_schema: { type: "object", properties: { zone: { type: "string" } } } },
];

async function anthropic(script: Script | ScriptedModel = {}, options: Parameters<typeof startServer>[1] = {}) {
  const model = script instanceof ScriptedModel ? script : new ScriptedModel(script);
  const server = await startServer(model, options);
  return { model, server, client: new Anthropic({ baseURL: server.url, apiKey: "none", maxRetries: 0 }) };
}

test("a message has the form of the schema", async () => {
  const { client, model } = await anthropic();
  const { _request_id, ...answer } = await client.messages.create({ ...ask, ...SAMPLING });
  expect(_request_id).toMatch(/^[\w-]+$/);
  expect(messagesAnswer.strict().parse(answer)).toMatchObject({
    id: expect.stringMatching(/^msg_/),
    model: "scripted",
    content: [{ type: "text", text: "Hello, world!" }],
    stop_reason: "end_turn",
    usage: { input_tokens: 3, output_tokens: 5, cache_read_input_tokens: 0 },
  });
  expect(model.requests[0]).toMatchObject({ maxTokens: 100, sampling: { topK: 5, temperature: 0.5 } });
});

test("a stream has Anthropic's events, in order, and adds up to the message", async () => {
  const { client } = await anthropic({ startsInThinking: true, answer: () => ["Hm", "m.", "</think>", ...TOOL_CALL] });
  const stream = client.messages.stream({ ...ask, tools: TOOLS });
  const types: string[] = [];
  stream.on("streamEvent", (event) => {
    messagesEvent.parse(event);
    if (types.at(-1) !== event.type) types.push(event.type);
  });
  const block = ["content_block_start", "content_block_delta", "content_block_stop"];
  const final = await stream.finalMessage();
  expect(types).toEqual(["message_start", ...block, ...block, ...block, "message_delta", "message_stop"]);
  expect(final).toMatchObject({
    content: [
      { type: "thinking", thinking: "Hmm.", signature: "" },
      { type: "text", text: "Let me see." },
      { type: "tool_use", name: "get_time", input: { zone: "UTC" } },
    ],
    stop_reason: "tool_use",
    usage: { input_tokens: 3, output_tokens: 9 },
  });
  const plain = await client.messages.create({ ...ask, tools: TOOLS });
  const { id: _, ...call } = plain.content[2] as Anthropic.ToolUseBlock;
  expect([plain.content[0], plain.content[1], call]).toEqual([
    { type: "thinking", thinking: "Hmm.", signature: "" },
    { type: "text", text: "Let me see.", citations: null },
    { type: "tool_use", name: "get_time", input: { zone: "UTC" } },
  ]);
});

test("system, thinking, calls and results reach the template", async () => {
  const { client, model } = await anthropic();
  await client.messages.create({
    ...ask,
    system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
    thinking: { type: "enabled", budget_tokens: 1024 },
    tools: TOOLS,
    messages: [
      ...ask.messages,
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "Hm.", signature: "" },
          { type: "tool_use", id: "call_1", name: "get_time", input: { zone: "UTC" } },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "call_1", content: [{ type: "text", text: "no clock" }], is_error: true },
          { type: "text", text: "Well?" },
        ],
      },
    ],
  });
  expect(model.chats[0]).toMatchObject({
    thinking: true,
    tools: [{ function: { name: "get_time", parameters: { type: "object" } } }],
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hi there" },
      {
        role: "assistant",
        content: null,
        reasoning_content: "Hm.",
        tool_calls: [{ id: "call_1", function: { name: "get_time", arguments: '{"zone":"UTC"}' } }],
      },
      { role: "tool", tool_call_id: "call_1", content: "Error: no clock" },
      { role: "user", content: "Well?" },
    ],
  });
});

test("stop sequences and limits end a message with their reason", async () => {
  const { client } = await anthropic();
  expect(await client.messages.create({ ...ask, stop_sequences: ["world"] })).toMatchObject({
    content: [{ text: "Hello," }],
    stop_reason: "stop_sequence",
    stop_sequence: "world",
  });
  expect(await client.messages.create({ ...ask, max_tokens: 1 })).toMatchObject({ stop_reason: "max_tokens" });
});

test("a last message of the assistant is gone on with", async () => {
  const { client, model } = await anthropic();
  await client.messages.create({ ...ask, messages: [...ask.messages, { role: "assistant", content: "Well," }] });
  expect(model.decode(model.requests[0]!.prompt)).toBe("<bos>Hi thereWell,");
});

test("tool_choice none hides the tools; one call at a time leaves out the others", async () => {
  const call = "<tool_call>get_time</tool_call>";
  const { client, model } = await anthropic({ answer: () => [call, call] });
  await client.messages.create({ ...ask, tools: TOOLS, tool_choice: { type: "none" } });
  expect(model.chats[0]!.tools).toBeNull();
  const choice = { type: "auto" as const, disable_parallel_tool_use: true };
  const answer = await client.messages.create({ ...ask, tools: TOOLS, tool_choice: choice });
  expect(answer.content).toMatchObject([{ type: "tool_use", input: {} }]);
});

test("arguments that are no JSON object are told as they stand", async () => {
  const { client } = await anthropic({
    answer: () => ["<｜tool▁call▁begin｜>get_time<｜tool▁sep｜>", "[1", "<｜tool▁call▁end｜>"],
  });
  const answer = await client.messages.create({ ...ask, tools: TOOLS });
  expect(answer.content).toMatchObject([{ type: "tool_use", input: { INVALID_JSON: "[1" } }]);
});

test("tokens are counted as the message's own usage has them", async () => {
  const { client, model } = await anthropic();
  const { max_tokens: _, ...count } = { ...ask, system: "Be brief." };
  const { usage } = await client.messages.create({ ...ask, system: "Be brief." });
  expect(await client.messages.countTokens(count)).toEqual({ input_tokens: usage.input_tokens });
  expect(model.requests).toHaveLength(1);
});

test("errors have Anthropic's form, and the class of their status", async () => {
  const { client, server } = await anthropic();
  const refused = client.messages.create({ ...ask, ...{ temperature: 2 } });
  await expect(refused).rejects.toBeInstanceOf(Anthropic.BadRequestError);
  await expect(refused).rejects.toMatchObject({ status: 400, error: { error: { type: "invalid_request_error" } } });
  await expect(client.messages.create({ ...ask, container: "x" } as typeof ask)).rejects.toThrow("'container'");
  const response = await fetch(`${server.url}/v1/messages`, { method: "POST", body: "{}" });
  expect(anthropicError.strict().parse(await response.json())).toMatchObject({
    error: { type: "invalid_request_error" },
    request_id: response.headers.get("request-id"),
  });
});

test("a full queue is overloaded_error with the time to wait, and a retry succeeds", async () => {
  class BusyModel extends ScriptedModel {
    private refusals = 1;
    override async *generate(...parameters: Parameters<ScriptedModel["generate"]>) {
      if (this.refusals-- > 0) throw new ApiError(503, "full", { code: "queue_full" });
      yield* super.generate(...parameters);
    }
  }
  const { client } = await anthropic(new BusyModel());
  await expect(client.messages.create(ask)).rejects.toMatchObject({
    status: 529,
    error: { error: { type: "overloaded_error" } },
  });
  const again = await anthropic(new BusyModel());
  expect(await again.client.messages.create(ask, { maxRetries: 1 })).toMatchObject({ stop_reason: "end_turn" });
});

test("an error in the middle of a stream is an error event", async () => {
  const { client } = await anthropic({ fails: { after: 2, error: new Error("secret path") } });
  const stream = client.messages.stream(ask);
  const failed = stream.finalMessage();
  await expect(failed).rejects.toMatchObject({ error: { error: { type: "api_error" } } });
  await expect(failed).rejects.not.toThrow("secret path");
});

test("while there is nothing to say pings come", async () => {
  const { server } = await anthropic({ hangs: true }, { keepAliveMs: 5 });
  const response = await fetch(`${server.url}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...ask, stream: true }),
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("event: ping\ndata: ")) text += (await reader.read()).value;
  await reader.cancel();
});

test("an aborted stream stops the generation", async () => {
  const { client, model } = await anthropic({ hangs: true });
  const stream = client.messages.stream(ask);
  stream.on("text", () => stream.abort());
  await expect(stream.finalMessage()).rejects.toBeInstanceOf(Anthropic.APIUserAbortError);
  await model.firstStop;
});
