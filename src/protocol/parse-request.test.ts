import { expect, test } from "vitest";
import { ApiError } from "../errors.ts";
import { chatRequest, wantsThinking } from "./chat-request.ts";
import { completionRequest } from "./completion-request.ts";
import { chatParameters, completionParameters } from "./parameters.ts";
import { parseRequest } from "./parse-request.ts";

const tool = { type: "function", function: { name: "f" } };
const messages = [{ role: "user", content: "Hi" }];
const chat = (body: unknown) => parseRequest(chatRequest, chatParameters, body);
const completion = (body: unknown) => parseRequest(completionRequest, completionParameters, body);

function refusal(parse: () => unknown): ApiError {
  try {
    parse();
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error("the body was taken");
}

test.each<[string, unknown, string, string]>([
  ["messages missing", {}, "missing_required_parameter", "'messages' is required: want an array"],
  ["messages a string", { messages: "no" }, "invalid_type", `'messages': want an array, got "no"`],
  ["no message", { messages: [] }, "invalid_value", "'messages': want at least 1 item, got an array of 0"],
  [
    "role unknown",
    { messages: [{ role: "boss", content: "" }] },
    "invalid_value",
    `'messages[0].role': want one of "system", "developer", "user", "assistant", "tool", got "boss"`,
  ],
  [
    "role missing",
    { messages: [{ content: "" }] },
    "missing_required_parameter",
    `'messages[0].role' is required: want one of "system", "developer", "user", "assistant", "tool"`,
  ],
  ["message a number", { messages: [...messages, 1] }, "invalid_type", "'messages[1]': want an object, got 1"],
  [
    "content a number",
    { messages: [{ role: "user", content: 1 }] },
    "invalid_type",
    "'messages[0].content': want a string or an array, got 1",
  ],
  [
    "image part",
    {
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "" },
            { type: "image_url", image_url: {} },
          ],
        },
      ],
    },
    "unsupported_parameter",
    "'messages[0].content[1].type' image_url parts are not supported: the models read text only",
  ],
  [
    "part without text",
    { messages: [{ role: "user", content: [{ type: "text" }] }] },
    "missing_required_parameter",
    "'messages[0].content[0].text' is required: want a string",
  ],
  [
    "unknown field of a message",
    { messages: [{ role: "user", content: "", prefix: true }] },
    "unknown_parameter",
    "'messages[0].prefix': unknown parameter",
  ],
  [
    "empty assistant message",
    { messages: [{ role: "assistant" }] },
    "invalid_value",
    "'messages[0].content' is required in an assistant message without tool_calls",
  ],
  [
    "temperature too high",
    { messages, temperature: 3 },
    "invalid_value",
    "'temperature': want a number of at most 2, got 3",
  ],
  ["fractional n", { messages, n: 1.5 }, "invalid_type", "'n': want an integer, got 1.5"],
  ["huge n", { messages, n: 1e9 }, "invalid_value", "'n': want a number of at most 8, got 1000000000"],
  [
    "too many stop strings",
    { messages, stop: Array(17).fill("x") },
    "invalid_value",
    "'stop': want at most 16 items, got an array of 17",
  ],
  ["empty stop string", { messages, stop: ["a", ""] }, "invalid_value", `'stop[1]': want at least 1 character, got ""`],
  [
    "bias of no token",
    { messages, logit_bias: { "-1": 1 } },
    "invalid_value",
    "'logit_bias.-1': want as its name a string like /^\\d{1,10}$/, got 1",
  ],
  [
    "bias too large",
    { messages, logit_bias: { 5: 101 } },
    "invalid_value",
    "'logit_bias.5': want a number of at most 100, got 101",
  ],
  ["unknown parameter", { messages, temprature: 1 }, "unknown_parameter", "'temprature': unknown parameter"],
  [
    "refused parameter",
    { messages, audio: {} },
    "unsupported_parameter",
    "'audio' is not supported: the models read and write text only",
  ],
  [
    "a form without a name",
    { messages, response_format: { type: "json_schema", json_schema: { schema: {} } } },
    "missing_required_parameter",
    "'response_format.json_schema.name' is required: want a string",
  ],
  [
    "two forms",
    { messages, response_format: { type: "json_object" }, guided_regex: "a" },
    "invalid_value",
    "'guided_regex' cannot be combined with response_format: send one of them",
  ],
  ["a schema that is text", { messages, guided_json: "{}" }, "invalid_type", `'guided_json': want an object, got "{}"`],
  ["required tool of none", { messages, tool_choice: "required" }, "invalid_value", "'tool_choice' needs tools"],
  [
    "unknown named tool",
    { messages, tools: [tool], tool_choice: { type: "function", function: { name: "g" } } },
    "invalid_value",
    "'tool_choice' names a tool that is not in tools",
  ],
  [
    "allowed tools",
    { messages, tools: [tool], tool_choice: { type: "allowed_tools", allowed_tools: {} } },
    "unsupported_parameter",
    "'tool_choice.type' allowed_tools is not supported: leave the others out of tools",
  ],
  [
    "wrong tool choice",
    { messages, tool_choice: 4 },
    "invalid_type",
    `'tool_choice': want one of "auto", "none", "required" or an object, got 4`,
  ],
  [
    "an unknown field of a part",
    { messages: [{ role: "tool", tool_call_id: "1", content: [{ type: "text", text: "", cache: 1 }] }] },
    "unknown_parameter",
    "'messages[0].content[0].cache': unknown parameter",
  ],
  [
    "bad tool name",
    { messages, tools: [{ type: "function", function: { name: "a b" } }] },
    "invalid_value",
    `'tools[0].function.name': want a string like /^[a-zA-Z0-9_-]{1,64}$/, got "a b"`,
  ],
  ["storing", { messages, store: true }, "unsupported_parameter", "'store' true is not supported: nothing is stored"],
  [
    "two limits",
    { messages, max_tokens: 1, max_completion_tokens: 2 },
    "invalid_value",
    "'max_tokens' is 1, but max_completion_tokens, its newer name, is 2: send one of them",
  ],
  [
    "stream options alone",
    { messages, stream_options: {} },
    "invalid_value",
    "'stream_options' is only allowed with stream: true",
  ],
  ["top_logprobs alone", { messages, top_logprobs: 2 }, "invalid_value", "'top_logprobs' needs logprobs: true"],
  [
    "two minds about thinking",
    { messages, thinking: true, reasoning_effort: "none" },
    "invalid_value",
    "'thinking' contradicting values in thinking and reasoning_effort",
  ],
  ["no object", [], "invalid_type", "the body: want a JSON object, got an array of 0"],
  ["prototype", JSON.parse('{"messages":[],"__proto__":{}}'), "unknown_parameter", "'__proto__': unknown parameter"],
])("chat: %s", (_, body, code, message) => {
  expect(refusal(() => chat(body))).toMatchObject({ status: 400, type: "invalid_request_error", code, message });
});

test.each<[string, unknown, string]>([
  ["missing prompt", {}, "'prompt' is required: want a string or an array"],
  ["mixed prompt", { prompt: ["a", 1] }, "'prompt[1]': want a string, got 1"],
  ["negative token", { prompt: [1, -1] }, "'prompt[1]': want a number of at least 0, got -1"],
  [
    "too many answers",
    { prompt: Array(8).fill("a"), n: 8 },
    "'prompt' 8 prompts times n = 8 are more than 32 answers: send several requests",
  ],
  ["filling in ids", { prompt: [1], suffix: "b" }, "'suffix' needs a prompt that is text, not token ids"],
  ["best_of", { prompt: "a", best_of: 2 }, "'best_of' other than n (1) is not supported"],
])("completions: %s", (_, body, message) => {
  expect(refusal(() => completion(body)).message).toBe(message);
});

test("the path at fault is the error's param", () => {
  expect(refusal(() => chat({ messages: [{ role: "user", content: [{ type: "text", text: 1 }] }] })).param).toBe(
    "messages[0].content[0].text",
  );
});

test("null is the default of every optional parameter", () => {
  const optional = chatParameters.filter(({ name }) => name !== "messages").map(({ name }) => [name, null]);
  expect(chat({ messages, ...Object.fromEntries(optional) })).toMatchObject({ messages });
});

test("text parts become one string", () => {
  const content = [
    { type: "text", text: "a" },
    { type: "text", text: "b" },
  ];
  expect(chat({ messages: [{ role: "user", content }] }).messages[0]).toEqual({ role: "user", content: "a\nb" });
});

test("an assistant message can be sent back as it came", () => {
  const message = {
    role: "assistant",
    content: null,
    refusal: null,
    reasoning_content: "hm",
    annotations: [],
    audio: null,
    tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "f", arguments: "{}" } }],
  };
  expect(() =>
    chat({ messages: [...messages, message, { role: "tool", tool_call_id: "call_1", content: "1" }] }),
  ).not.toThrow();
});

test.each([
  [{ thinking: { type: "enabled" } }, true],
  [{ thinking: false, chat_template_kwargs: { thinking: false } }, false],
  [{ chat_template_kwargs: { enable_thinking: true } }, true],
  [{ reasoning_effort: "none" }, false],
  [{ reasoning_effort: "low" }, true],
  [{}, undefined],
])("thinking is read from %j", (fields, wanted) => {
  expect(wantsThinking(chat({ messages, ...fields }))).toBe(wanted);
});

test("prompts come in four forms", () => {
  for (const [prompt, wanted] of [
    ["a", ["a"]],
    [
      ["a", "b"],
      ["a", "b"],
    ],
    [[1, 2], [[1, 2]]],
    [
      [[1], [2]],
      [[1], [2]],
    ],
  ]) {
    expect(completion({ prompt }).prompt).toEqual(wanted);
  }
});

test("a million wrong items are one error, not a million", () => {
  expect(refusal(() => completion({ prompt: Array(1_000_000).fill(true) })).param).toMatch(/^prompt/);
  expect(refusal(() => chat({ messages: Array(1_000_000).fill(0) })).param).toBe("messages");
  const logit_bias = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`x${i}`, null]));
  expect(refusal(() => chat({ messages, logit_bias })).message).toBe(
    "'logit_bias': want at most 1024 entries, got an object",
  );
});

test("a long string, which may be a prompt, is not repeated in the message", () => {
  expect(refusal(() => chat({ messages: "secret ".repeat(10) })).message).toBe(
    "'messages': want an array, got a string of 70 characters",
  );
});
