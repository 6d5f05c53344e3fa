import type OpenAI from "openai";
import { expect, test } from "vitest";
import { ApiError } from "../../src/errors.ts";
import { responseDeleted, responseObject, responsesEvent } from "../../src/protocol/responses-response.ts";
import type { AppOptions } from "../../src/server/app.ts";
import { TOOL_CALL } from "./called-tool.ts";
import { type Script, ScriptedModel } from "./scripted-model.ts";
import { startServer } from "./start-server.ts";

const ask = { model: "gpt", input: "Hi there" };

const TOOLS: OpenAI.Responses.FunctionTool[] = [
  { type: "function", name: "get_time", strict: false, parameters: { type: "object", properties: {} } },
];

async function responses(script: Script | ScriptedModel = {}, options: Partial<AppOptions> = {}) {
  const model = script instanceof ScriptedModel ? script : new ScriptedModel(script);
  const server = await startServer(model, options);
  return { model, server, client: server.client };
}

test("a response has the form of the schema, and the client's output_text", async () => {
  const { client, model } = await responses();
  const answer = await client.responses.create({ ...ask, instructions: "Be brief.", metadata: { a: "b" }, top_p: 0.5 });
  expect(answer.output_text).toBe("Hello, world!");
  const { output_text, _request_id, ...plain } = answer as typeof answer & { _request_id?: string };
  expect(responseObject.strict().parse(plain)).toMatchObject({
    id: expect.stringMatching(/^resp_/),
    status: "completed",
    model: "scripted",
    instructions: "Be brief.",
    metadata: { a: "b" },
    top_p: 0.5,
    output: [{ type: "message", status: "completed" }],
    usage: { input_tokens: 4, output_tokens: 5, total_tokens: 9, input_tokens_details: { cached_tokens: 0 } },
  });
  expect(model.chats[0]!.messages).toEqual([
    { role: "system", content: "Be brief." },
    { role: "user", content: "Hi there" },
  ]);
});

test("a stream has OpenAI's events, numbered, and adds up to the response", async () => {
  const { client } = await responses({ startsInThinking: true, answer: () => ["Hm", "m.", "</think>", ...TOOL_CALL] });
  const stream = client.responses.stream({ ...ask, tools: TOOLS });
  const types: string[] = [];
  const numbers: number[] = [];
  stream.on("event", (event) => {
    responsesEvent.parse(event);
    numbers.push(event.sequence_number);
    if (types.at(-1) !== event.type) types.push(event.type);
  });
  const { output, output_text, usage, status } = await stream.finalResponse();
  const text = (kind: string) => [
    "response.output_item.added",
    "response.content_part.added",
    `response.${kind}.delta`,
    `response.${kind}.done`,
    "response.content_part.done",
    "response.output_item.done",
  ];
  expect(types).toEqual([
    "response.created",
    "response.in_progress",
    ...text("reasoning_text"),
    ...text("output_text"),
    "response.output_item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
    "response.completed",
  ]);
  expect(numbers).toEqual(numbers.map((_, i) => i));
  expect([status, output_text]).toEqual(["completed", "Let me see."]);
  expect(output).toMatchObject([
    { type: "reasoning", content: [{ type: "reasoning_text", text: "Hmm." }] },
    { type: "message", content: [{ type: "output_text", text: "Let me see." }] },
    { type: "function_call", name: "get_time", arguments: '{"zone": "UTC"}', call_id: expect.stringMatching(/^call_/) },
  ]);
  expect(usage).toMatchObject({ output_tokens: 9, output_tokens_details: { reasoning_tokens: 2 } });
  const plain = await client.responses.create({ ...ask, tools: TOOLS });
  const withoutIds = (items: object[]) =>
    JSON.parse(JSON.stringify(items, (key, value) => (/^(call_)?id$|^parsed/.test(key) ? undefined : value)));
  expect(withoutIds(plain.output)).toMatchObject(
    withoutIds(output).map(({ parsed_arguments: _, ...item }: Record<string, unknown>) => item),
  );
});

test("a next request goes on from a response, calls and results included", async () => {
  const { client, model } = await responses({ answer: () => TOOL_CALL });
  const first = await client.responses.create({ ...ask, instructions: "Old.", tools: TOOLS });
  const call = first.output.find((item) => item.type === "function_call")!;
  await client.responses.create({
    model: "gpt",
    previous_response_id: first.id,
    input: [{ type: "function_call_output", call_id: call.call_id, output: "noon" }],
  });
  expect(model.chats[1]!.messages).toMatchObject([
    { role: "user", content: "Hi there" },
    {
      role: "assistant",
      content: "Let me see.",
      tool_calls: [{ id: call.call_id, function: { name: "get_time", arguments: '{"zone": "UTC"}' } }],
    },
    { role: "tool", tool_call_id: call.call_id, content: "noon" },
  ]);
});

test("a stateless client sends back what it got", async () => {
  const { client, model } = await responses({
    startsInThinking: true,
    answer: () => ["Hm.", "</think>", ...TOOL_CALL],
  });
  const first = await client.responses.create({ ...ask, store: false, tools: TOOLS });
  await client.responses.create({
    model: "gpt",
    input: [
      { role: "user", content: "Hi there" },
      ...first.output,
      { role: "user", content: [{ type: "input_text", text: "So?" }] },
    ],
  } as OpenAI.Responses.ResponseCreateParamsNonStreaming);
  expect(model.chats[1]!.messages).toMatchObject([
    { role: "user", content: "Hi there" },
    { role: "assistant", content: "Let me see.", reasoning_content: "Hm.", tool_calls: [{}] },
    { role: "user", content: "So?" },
  ]);
  await expect(client.responses.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
});

test("responses are retrieved and deleted", async () => {
  const { client, server } = await responses();
  const { id } = await client.responses.create(ask);
  expect((await client.responses.retrieve(id)).output_text).toBe("Hello, world!");
  const deleted = await fetch(`${server.url}/v1/responses/${id}`, { method: "DELETE" });
  expect(responseDeleted.parse(await deleted.json())).toEqual({ id, object: "response", deleted: true });
  await expect(client.responses.retrieve(id)).rejects.toMatchObject({ status: 404, code: "response_not_found" });
  await expect(client.responses.delete(id)).rejects.toMatchObject({ status: 404 });
  const after = client.responses.create({ ...ask, previous_response_id: id });
  await expect(after).rejects.toMatchObject({ status: 404, param: "previous_response_id" });
});

test("the oldest response makes room for a new one", async () => {
  const { client } = await responses({}, { storedResponses: { maxResponses: 2, maxSize: 1 << 20 } });
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) ids.push((await client.responses.create(ask)).id);
  await expect(client.responses.retrieve(ids[0]!)).rejects.toMatchObject({ status: 404 });
  await client.responses.retrieve(ids[1]!);
  await client.responses.retrieve(ids[2]!);
});

test("an answer that is cut off is incomplete, and says why", async () => {
  const { client } = await responses();
  expect(await client.responses.create({ ...ask, max_output_tokens: 1 })).toMatchObject({
    status: "incomplete",
    incomplete_details: { reason: "max_output_tokens" },
    output: [{ status: "incomplete", content: [{ text: "Hello" }] }],
  });
});

test("log-probabilities come where they are asked for", async () => {
  const { client } = await responses({ answer: () => ["é"] });
  const asked = { ...ask, include: ["message.output_text.logprobs" as const], top_logprobs: 1 };
  const wanted = [{ token: "é", logprob: -0.25, bytes: [0xc3, 0xa9], top_logprobs: [{ token: "é" }] }];
  expect((await client.responses.create(asked)).output).toMatchObject([{ content: [{ logprobs: wanted }] }]);
  const streamed = await client.responses.stream(asked).finalResponse();
  expect(streamed.output).toMatchObject([{ content: [{ logprobs: wanted }] }]);
});

test("what cannot be had is refused by name", async () => {
  const { client } = await responses();
  const refused = (body: object) => client.responses.create({ ...ask, ...body });
  await expect(refused({ truncation: "auto" })).rejects.toMatchObject({ status: 400, param: "truncation" });
  await expect(refused({ conversation: "conv_1" })).rejects.toMatchObject({ status: 400, param: "conversation" });
  await expect(refused({ tools: [{ type: "web_search" }] })).rejects.toMatchObject({ param: "tools[0].type" });
  await expect(refused({ input: [{ type: "item_reference", id: "x" }] })).rejects.toMatchObject({
    param: "input[0].type",
  });
  await expect(refused({ tool_choice: "required" })).rejects.toMatchObject({ param: "tool_choice" });
});

test("an error before the first event has its status; a later one makes the response failed", async () => {
  const early = await responses({ fails: { after: 0, error: new ApiError(503, "full", { code: "queue_full" }) } });
  await expect(early.client.responses.create({ ...ask, stream: true })).rejects.toMatchObject({ status: 503 });
  const failures: unknown[] = [];
  const late = await responses(
    { fails: { after: 2, error: new Error("secret path") } },
    { log: ({ error }) => error && failures.push(error) },
  );
  const { status, error } = await late.client.responses.stream(ask).finalResponse();
  expect([status, error?.code]).toEqual(["failed", "internal_error"]);
  expect(error?.message).not.toContain("secret");
  expect(failures).toHaveLength(1);
});

test("an aborted stream stops the generation, and stores nothing", async () => {
  const { client, model } = await responses({ hangs: true });
  const stream = await client.responses.create({ ...ask, stream: true });
  let id = "";
  for await (const event of stream) {
    if (event.type === "response.created") id = event.response.id;
    if (event.type === "response.output_text.delta") break;
  }
  await model.firstStop;
  await expect(client.responses.retrieve(id)).rejects.toMatchObject({ status: 404 });
});
