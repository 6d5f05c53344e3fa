import { expect, test } from "vitest";
import { EMPTY_ANSWER } from "./answer.ts";
import { type Conversation, chatMessages, newConversation, readConversation, titleOf } from "./conversation.ts";

const conversation: Conversation = {
  id: "a1",
  title: "Foxes",
  updated: 5,
  messages: [
    { role: "user", content: "Hello" },
    {
      ...EMPTY_ANSWER,
      model: "m",
      reasoning: "hm",
      content: "Hi",
      end: "length",
      tokens: { prompt: 1, cached: 0, answer: 2 },
      startedMs: 1,
      endedMs: 2,
      reasoningMs: [1, 2],
    },
    { role: "user", content: "And?" },
    { ...EMPTY_ANSWER, end: "failed", failure: { kind: "failed", message: "no" } },
  ],
};

test("a conversation comes back from storage as it was", () => {
  expect(readConversation(structuredClone(conversation))).toEqual(conversation);
});

test("an answer that the end of the page cut off counts as stopped", () => {
  const { messages } = readConversation({ id: "x", messages: [{ ...EMPTY_ANSWER, content: "Onc" }] })!;
  expect(messages).toMatchObject([{ content: "Onc", end: "stopped" }]);
});

test.each([
  null,
  7,
  "text",
  [],
  {},
  { id: 5, messages: [] },
  { id: "", messages: [] },
  { id: "x" },
  { id: "x", messages: {} },
])("what is no conversation is not taken for one: %j", (value) => expect(readConversation(value)).toBeNull());

test("messages that cannot be read are left out, and odd fields get a plain value", () => {
  const odd = {
    id: "x",
    title: 5,
    updated: "yesterday",
    messages: [
      null,
      { role: "user" },
      { role: "system", content: "s" },
      { role: "user", content: "q" },
      {
        role: "assistant",
        content: "a",
        tokens: { answer: "9" },
        reasoningMs: [1],
        failure: "no",
        startedMs: Number.NaN,
      },
    ],
  };
  expect(readConversation(odd)).toEqual({
    id: "x",
    title: "Untitled",
    updated: 0,
    messages: [
      { role: "user", content: "q" },
      { ...EMPTY_ANSWER, content: "a", end: "stopped" },
    ],
  });
});

test("the model gets neither reasoning nor empty answers, and a system prompt where there is one", () => {
  const said = [
    { role: "user", content: "Hello" },
    { role: "assistant", content: "Hi" },
    { role: "user", content: "And?" },
  ];
  expect(chatMessages(conversation, " \n")).toEqual(said);
  expect(chatMessages(conversation, "Be brief.")).toEqual([{ role: "system", content: "Be brief." }, ...said]);
});

test("a title is the beginning of the question, cut between words", () => {
  expect(titleOf("  Hello\n there ")).toBe("Hello there");
  expect(titleOf("word ".repeat(40))).toBe(`${"word ".repeat(11)}word…`);
  expect(titleOf("x".repeat(100))).toBe(`${"x".repeat(60)}…`);
  expect(titleOf(" ")).toBe("Untitled");
});

test("new conversations have names of their own, fit for an address", () => {
  const ids = Array.from({ length: 50 }, () => newConversation("Hello", 5).id);
  expect(new Set(ids).size).toBe(50);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{24}$/);
});
