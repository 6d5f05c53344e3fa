import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import type { GrammarSource } from "../../src/grammar/compile-grammar.ts";
import { type LoadedModel, loadModel } from "../../src/node.ts";
import { COMPILED_SOURCES, HOSTILE_SOURCES } from "../grammar/hostile-sources.ts";
import { ScriptedModel } from "./scripted-model.ts";
import { openServer, startServer, type TestServer } from "./start-server.ts";

/** The whole way: official clients, socket, grammar, embedded model. */
let model: LoadedModel;
let server: TestServer;
let client: OpenAI;

beforeAll(async () => {
  model = await loadModel(undefined, { contextSize: 1024, parallel: 4 });
  server = await openServer(model.engine);
  ({ client } = server);
});

afterAll(async () => {
  await server.close();
  await model.close();
});

const messages = [{ role: "user" as const, content: "What is the weather in Velmaris?" }];
const ask = { model: "x", messages, seed: 3, max_tokens: 200 };
/** For the APIs that know no seed. */
const greedy = { model: "x", temperature: 0 };

/** Every text is short, so that a small model comes to an end. */
const Trip = z.object({
  city: z.string().max(16),
  days: z.int().min(1).max(14),
  kind: z.enum(["work", "holiday"]),
  stops: z.array(z.object({ name: z.string().max(8), far: z.boolean() })).max(2),
  note: z.string().max(8).nullable(),
});
const TRIP = zodResponseFormat(Trip, "trip");

const Weather = z.object({ city: z.string().max(12), days: z.int().min(1).max(7) });
const weather = zodFunction({ name: "get_weather", parameters: Weather, description: "The weather of a city." });
const clock = zodFunction({ name: "get_time", parameters: z.object({ city: z.enum(["Velmaris", "Oslo"]) }) });

type Reasoned = { reasoning_content?: string };

describe("a form of the answer", () => {
  it("is a zod schema's JSON, which the client parses", async () => {
    const completion = await client.chat.completions.parse({ ...ask, response_format: TRIP });
    const { finish_reason, message } = completion.choices[0]!;
    expect(finish_reason).toBe("stop");
    expect(Trip.strict().parse(message.parsed)).toEqual(JSON.parse(message.content!));
  });

  it("holds for every choice, and streams", async () => {
    const { choices } = await client.chat.completions.create({ ...ask, n: 3, response_format: TRIP });
    for (const { message } of choices) Trip.strict().parse(JSON.parse(message.content!));
    const stream = client.chat.completions.stream({ ...ask, response_format: TRIP });
    const streamed = await stream.finalChatCompletion();
    expect(streamed.choices[0]!.message.parsed).toEqual(JSON.parse(choices[0]!.message.content!));
  });

  it("is zod's in the Responses API too, and is told back", async () => {
    const format = zodTextFormat(Trip, "trip");
    const response = await client.responses.parse({ ...greedy, input: "Where to?", text: { format } });
    expect(Trip.strict().parse(response.output_parsed)).toEqual(JSON.parse(response.output_text));
    expect(response.text?.format).toMatchObject({ type: "json_schema", name: "trip", strict: true });
  });

  it("is a JSON schema in Anthropic's API", async () => {
    const anthropic = new Anthropic({ baseURL: server.url, apiKey: "none", maxRetries: 0 });
    const { content } = await anthropic.messages.create({
      ...greedy,
      max_tokens: 200,
      messages,
      output_config: { format: { type: "json_schema", schema: z.toJSONSchema(Weather) } },
    });
    expect(content).toHaveLength(1);
    Weather.strict().parse(JSON.parse((content[0] as Anthropic.TextBlock).text));
  });

  it.each(["/v1", "", "/beta"])("json_object is any object, under %s/chat/completions", async (path) => {
    const at = new OpenAI({ baseURL: `${server.url}${path}`, apiKey: "none", maxRetries: 0 });
    const { choices } = await at.chat.completions.create({
      ...ask,
      max_tokens: 400,
      temperature: 0,
      response_format: { type: "json_object" },
    });
    const { content } = choices[0]!.message;
    expect(content).toMatch(/^\{/);
    if (choices[0]!.finish_reason === "stop") expect(JSON.parse(content!)).toBeTypeOf("object");
    const nothing = { type: "json_object", schema: { type: "object", additionalProperties: false } };
    const empty = await at.chat.completions.create({ ...ask, response_format: nothing as { type: "json_object" } });
    expect(empty.choices[0]!.message.content).toBe("{}");
  });

  it.each([
    [{ guided_regex: "[A-Z][a-z]{2,8} is [0-9]+ degrees" }, /^[A-Z][a-z]{2,8} is [0-9]+ degrees$/],
    [{ guided_choice: ["rainy", "sunny"] }, /^(rainy|sunny)$/],
    [
      { guided_json: { type: "array", items: { type: "boolean" }, minItems: 2, maxItems: 3 } },
      /^\[((, ?)?(true|false)){2,3}\]$/,
    ],
    [{ grammar: 'root ::= "<" digit digit? digit? ">"\ndigit ::= [0-9]' }, /^<[0-9]+>$/],
  ])("is %j in chats and in texts", async (form, wanted) => {
    const { choices } = await client.chat.completions.create({ ...ask, ...form });
    expect(choices[0]!.message.content).toMatch(wanted);
    const text = await client.completions.create({ model: "x", prompt: "It is", seed: 4, max_tokens: 200, ...form });
    expect(text.choices[0]!.text).toMatch(wanted);
  });

  it("begins behind the reasoning, which is free", async () => {
    const request = { ...ask, temperature: 0, reasoning_effort: "low" as const, max_tokens: 600 };
    const free = (await client.chat.completions.create(request)).choices[0]!.message as Reasoned;
    const { message } = (
      await client.chat.completions.create({ ...request, guided_choice: ["rainy"] } as typeof request)
    ).choices[0]!;
    expect((message as Reasoned).reasoning_content).toBe(free.reasoning_content);
    expect(free.reasoning_content).toBeTruthy();
    expect(message.content).toBe("rainy");
  });

  it("gives the same seed the same text, alone and among others", async () => {
    const one = () => client.chat.completions.create({ ...ask, response_format: TRIP });
    const alone = (await one()).choices[0]!.message.content;
    const [first, , second] = await Promise.all([
      one(),
      client.chat.completions.create({
        ...ask,
        guided_regex: "[a-z]{30}",
      } as OpenAI.ChatCompletionCreateParamsNonStreaming),
      one(),
      client.chat.completions.create({ ...ask, max_tokens: 30 }),
    ]);
    expect([first!.choices[0]!.message.content, second!.choices[0]!.message.content]).toEqual([alone, alone]);
  });
});

describe("strict tools", () => {
  const tools = [weather, clock];
  const argumentsOf = (call: OpenAI.ChatCompletionMessageToolCall) =>
    call.type === "function"
      ? { name: call.function.name, args: JSON.parse(call.function.arguments) as unknown }
      : null;

  it("are called with what their schema allows, and the client parses it", async () => {
    for (const seed of [1, 2, 3]) {
      const request = { ...ask, seed, tools, tool_choice: "required" as const };
      const { choices } = await client.chat.completions.parse(request);
      const { finish_reason, message } = choices[0]!;
      expect([message.content, finish_reason]).toEqual([null, "tool_calls"]);
      for (const { function: f } of message.tool_calls!) {
        const schema = f.name === "get_weather" ? Weather : z.object({ city: z.enum(["Velmaris", "Oslo"]) });
        expect(schema.strict().parse(JSON.parse(f.arguments))).toEqual(f.parsed_arguments);
      }
    }
  });

  it("are called by name, once, and in a stream", async () => {
    const named = { type: "function" as const, function: { name: "get_time" } };
    const request = { ...ask, tools, tool_choice: named, parallel_tool_calls: false };
    const stream = client.chat.completions.stream(request);
    const { message } = (await stream.finalChatCompletion()).choices[0]!;
    expect(message.tool_calls).toHaveLength(1);
    expect(argumentsOf(message.tool_calls![0]!)).toMatchObject({
      name: "get_time",
      args: { city: expect.any(String) },
    });
  });

  it("may be left alone where nothing asks for a call; text stays free", async () => {
    const hello = [{ role: "user" as const, content: "Hello" }];
    const request = { model: "x", messages: hello, temperature: 0, max_tokens: 60 };
    const free = await client.chat.completions.create({
      ...request,
      tools: [{ ...weather, function: { ...weather.function, strict: false } }],
    });
    const strict = await client.chat.completions.create({ ...request, tools: [weather] });
    expect(strict.choices[0]!.message).toEqual(free.choices[0]!.message);
    expect(strict.choices[0]!.message.content).toBeTruthy();
  });

  it("are called behind the reasoning", async () => {
    const request = { ...ask, temperature: 0, tools, tool_choice: "required" as const, max_tokens: 900 };
    const { choices } = await client.chat.completions.create({ ...request, reasoning_effort: "low" });
    const { message, finish_reason } = choices[0]!;
    expect((message as Reasoned).reasoning_content).toBeTruthy();
    expect(finish_reason).toBe("tool_calls");
    expect(argumentsOf(message.tool_calls![0]!)).toMatchObject({ args: { city: expect.any(String) } });
  });

  it("stand beside a form: a call, or an answer of this form", async () => {
    const { choices } = await client.chat.completions.create({ ...ask, tools, response_format: TRIP });
    const { content, tool_calls: calls } = choices[0]!.message;
    if (calls) expect(content).toBeNull();
    else Trip.strict().parse(JSON.parse(content!));
  });

  it("are strict in the Responses API and in Anthropic's", async () => {
    const parameters = z.toJSONSchema(Weather) as Record<string, unknown>;
    const { output } = await client.responses.create({
      ...greedy,
      input: "The weather?",
      tool_choice: "required",
      parallel_tool_calls: false,
      tools: [{ type: "function", name: "get_weather", strict: true, parameters }],
    });
    expect(output).toHaveLength(1);
    const call = output[0]!;
    Weather.strict().parse(JSON.parse((call as OpenAI.Responses.ResponseFunctionToolCall).arguments));
    const anthropic = new Anthropic({ baseURL: server.url, apiKey: "none", maxRetries: 0 });
    const { content, stop_reason } = await anthropic.messages.create({
      ...greedy,
      max_tokens: 200,
      messages,
      tools: [{ name: "get_weather", input_schema: parameters as { type: "object" }, strict: true }],
      tool_choice: { type: "any", disable_parallel_tool_use: true },
    });
    expect(stop_reason).toBe("tool_use");
    Weather.strict().parse((content[0] as Anthropic.ToolUseBlock).input);
  });
});

describe("what is refused", () => {
  const refused = (body: object) => client.chat.completions.create({ ...ask, ...body });

  it("names the parameter and, inside a schema, the JSON pointer", async () => {
    const bad = { type: "object", properties: { name: { type: "string", pattern: "^(?=a)" } } };
    const format = (schema: object) => ({
      response_format: { type: "json_schema", json_schema: { name: "x", schema } },
    });
    await expect(refused(format(bad))).rejects.toMatchObject({
      status: 400,
      param: "response_format.json_schema.schema",
      code: "invalid_grammar",
      message: expect.stringContaining("'response_format.json_schema.schema': /properties/name/pattern: look-around"),
    });
    await expect(refused(format({ not: {} }))).rejects.toThrow("'response_format.json_schema.schema': /not: ");
    await expect(refused({ guided_regex: "(" })).rejects.toMatchObject({ status: 400, param: "guided_regex" });
    await expect(refused({ grammar: "root ::= x" })).rejects.toMatchObject({ status: 400, param: "grammar" });
    const tool = { type: "function", function: { name: "f", strict: true, parameters: bad } };
    await expect(refused({ tools: [weather, tool] })).rejects.toMatchObject({
      param: "tools[1].function.parameters",
      message: expect.stringContaining("/properties/name/pattern"),
    });
    await expect(
      client.responses.create({
        model: "x",
        input: "x",
        text: { format: { type: "json_schema", name: "x", schema: { not: {} } } },
      }),
    ).rejects.toMatchObject({ status: 400, param: "text.format.schema" });
    await expect(
      client.completions.create({ model: "x", prompt: "x", ...{ guided_regex: "(" } }),
    ).rejects.toMatchObject({ status: 400, param: "guided_regex" });
  });

  it("has its status in a stream too", async () => {
    await expect(refused({ stream: true, guided_regex: "(" })).rejects.toMatchObject({ status: 400 });
  });

  // What is nested deeper than JSON.stringify goes, the reader of bodies refuses.
  const hostile = Object.entries(HOSTILE_SOURCES).filter(([what]) => !what.endsWith(",000 deep"));

  it.each(hostile)("a hostile form is refused, or within the limits, and the process lives: %s", async (what, make) => {
    const outcome = refused({ ...fieldsOf(make()), max_tokens: 20 });
    if (COMPILED_SOURCES.includes(what)) await outcome;
    else await expect(outcome).rejects.toMatchObject({ status: what.startsWith("an enum") ? 413 : 400 });
    const { choices } = await client.chat.completions.create({
      ...ask,
      guided_choice: ["yes"],
    } as OpenAI.ChatCompletionCreateParamsNonStreaming);
    expect(choices[0]!.message.content).toBe("yes");
    expect(model.engine.activity).toMatchObject({ running: 0, waiting: 0 });
  });

  it("is a form where the last message begins the answer", async () => {
    const begun = [...messages, { role: "assistant", content: "It", prefix: true }];
    await expect(refused({ messages: begun, guided_choice: ["a"] })).rejects.toMatchObject({ param: "guided_choice" });
  });

  it("are strict tools of a model whose template writes calls in another form", async () => {
    const other = await startServer(new ScriptedModel());
    const create = (body: object) => other.client.chat.completions.create({ ...ask, ...body });
    await expect(create({ tools: [weather] })).rejects.toMatchObject({
      status: 400,
      param: "tools[0].function.strict",
    });
    const loose = { ...weather, function: { ...weather.function, strict: false } };
    await expect(create({ tools: [loose], response_format: { type: "json_object" } })).rejects.toMatchObject({
      status: 400,
      param: "response_format",
    });
  });
});

/** The fields that ask for a form. */
function fieldsOf(source: GrammarSource): object {
  switch (source.type) {
    case "json_schema":
      return { response_format: { type: "json_schema", json_schema: { name: "x", schema: source.schema } } };
    case "regex":
      return { guided_regex: source.pattern };
    case "choice":
      return { guided_choice: source.choices };
    case "gbnf":
      return { grammar: source.grammar };
    default:
      throw new Error(`no field asks for ${source.type}`);
  }
}
