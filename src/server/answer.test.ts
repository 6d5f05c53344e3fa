import { expect, test } from "vitest";
import type { GenerationEvent } from "../engine/generation.ts";
import { type AnswerDelta, type AnswerEvent, type AnswerOptions, readAnswer } from "./answer.ts";

const plain: AnswerOptions = { startsInThinking: false, tools: false, maxToolCalls: Number.POSITIVE_INFINITY };

async function read(texts: string[], options: Partial<AnswerOptions>, reason: "stop" | "length" = "stop") {
  async function* generation(): AsyncGenerator<GenerationEvent> {
    for (const [token, text] of texts.entries()) {
      yield { type: "token", token, text, logprobs: { token, logprob: -1, top: [] } };
    }
    const completionTokens = texts.length + 1;
    yield { type: "end", reason, text: "", stopString: null, promptTokens: 7, cachedPromptTokens: 0, completionTokens };
  }
  const events: AnswerEvent[] = [];
  for await (const event of readAnswer(generation(), { ...plain, ...options })) events.push(event);
  const deltas = events.filter((event): event is AnswerDelta => event.type === "delta");
  const parts = deltas.flatMap((delta) => delta.parts);
  const text = (type: string) => parts.map((part) => (part.type === type && "text" in part ? part.text : "")).join("");
  return { deltas, parts, text, end: events.at(-1) };
}

const CALL = [
  "<｜tool▁calls▁begin｜>",
  "<｜tool▁call▁begin｜>",
  "get",
  "_time",
  "<｜tool▁sep｜>",
  '{"zone"',
  ':"UTC"}',
];
const SECOND = ["<｜tool▁call▁end｜>", "<｜tool▁call▁begin｜>", "now", "<｜tool▁sep｜>", "{}"];
const CLOSE = ["<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>"];

test("plain text comes through as content, token by token", async () => {
  const { deltas, text, end } = await read(["Hel", "lo"], {});
  expect(deltas).toHaveLength(2);
  expect(text("content")).toBe("Hello");
  expect(end).toEqual({
    type: "end",
    reason: "stop",
    stopString: null,
    promptTokens: 7,
    cachedTokens: 0,
    completionTokens: 3,
    reasoningTokens: 0,
  });
});

test("reasoning is split off, also where the prompt opened it, and its tokens are counted", async () => {
  const { text, end } = await read(["I ", "think", "</think>", "So."], { startsInThinking: true });
  expect(text("reasoning")).toBe("I think");
  expect(text("content")).toBe("So.");
  expect(end).toMatchObject({ reasoningTokens: 2 });
});

test("tool calls come out as calls with ids and pieces of arguments", async () => {
  const { parts, text, end } = await read(["Wait. ", ...CALL, ...SECOND, ...CLOSE], { tools: true });
  const calls = parts.filter((part) => part.type === "toolCall");
  expect(calls).toMatchObject([
    { index: 0, name: "get_time", id: expect.stringMatching(/^call_[0-9a-f]{32}$/) },
    { index: 1, name: "now" },
  ]);
  expect(text("arguments")).toBe('{"zone":"UTC"}{}');
  expect(text("content").trim()).toBe("Wait.");
  expect(end).toMatchObject({ reason: "toolCalls" });
});

test("calls beyond the allowed number are left out", async () => {
  const { parts, text } = await read([...CALL, ...SECOND, ...CLOSE], { tools: true, maxToolCalls: 1 });
  expect(parts.filter((part) => part.type === "toolCall")).toHaveLength(1);
  expect(text("arguments")).toBe('{"zone":"UTC"}');
});

test("an answer cut off inside a call ends with length", async () => {
  expect((await read(CALL, { tools: true }, "length")).end).toMatchObject({ reason: "length" });
});

test("without tools, markers are text", async () => {
  expect((await read(CALL, {})).text("content")).toBe(CALL.join(""));
});

test("every token's log-probability comes with the text it led to", async () => {
  const { deltas } = await read(["", "a", "</th", "ink>"], { startsInThinking: true });
  expect(deltas.flatMap(({ tokens }) => tokens.map(({ token }) => token))).toEqual([0, 1, 2, 3]);
});
