import { expect, test } from "vitest";
import type { ChatCompletionChunk } from "../../src/protocol/chat-response.ts";
import { type Failure, ServerError, UNREACHABLE } from "../server/failure.ts";
import type { ChatFields } from "../server/requests.ts";
import type { Answer } from "./answer.ts";
import { Chats } from "./chats.ts";
import type { Conversation } from "./conversation.ts";

const head = { id: "1", created: 1, model: "m", system_fingerprint: "", object: "chat.completion.chunk" as const };
const piece = (content: string): ChatCompletionChunk => ({
  ...head,
  choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: null }],
  usage: null,
});

type Stream = (fields: ChatFields, signal: AbortSignal) => AsyncIterable<ChatCompletionChunk>;

/** Answers with the number of messages it was sent. */
async function* counts({ messages }: ChatFields): AsyncGenerator<ChatCompletionChunk> {
  yield piece("answer to ");
  yield piece(String(messages.length));
}

/** Goes on until it is stopped. */
async function* hangs(_: ChatFields, signal: AbortSignal): AsyncGenerator<ChatCompletionChunk> {
  yield piece("Once upon");
  signal.throwIfAborted();
  await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

/** Chats over a store in memory. @param stored what the store holds at first */
async function open(stream: Stream = counts, stored: readonly unknown[] = [], put?: () => Promise<void>) {
  const kept = new Map<unknown, unknown>(stored.map((one, index) => [(one as Conversation | null)?.id ?? index, one]));
  const failures: Failure[] = [];
  const chats = new Chats({
    store: {
      durable: true,
      all: async () => [...kept.values()],
      put: put ?? (async (one) => void kept.set(one.id, structuredClone(one))),
      remove: async (id) => void kept.delete(id),
    },
    stream,
    wishes: () => ({ fields: { model: "m" }, system: "" }),
    nextFrame: (callback) => queueMicrotask(callback),
    onFailure: (failure) => failures.push(failure),
  });
  await chats.load();
  const ended = () => expect.poll(() => chats.runs.value.size).toBe(0);
  const texts = () => chats.open.value?.messages.map(({ content }) => content);
  const last = () => chats.open.value!.messages.at(-1) as Answer;
  return { chats, kept, failures, ended, texts, last };
}

test("what has come of an answer is kept before it has ended", async () => {
  const { chats, kept, ended } = await open(hangs);
  chats.send("One");
  await expect.poll(() => chats.current.value?.content).toBe("Once upon");
  chats.saveRunning();
  await expect.poll(() => kept.get(chats.openId.value)).toMatchObject({ messages: [{}, { content: "Once upon" }] });
  chats.stop();
  await ended();
});

test("a question opens a conversation, is answered and kept", async () => {
  const { chats, kept, ended, texts, last } = await open();
  chats.send("Hello");
  expect(chats.current.value).toMatchObject({ content: "", end: null });
  await ended();
  expect(texts()).toEqual(["Hello", "answer to 1"]);
  expect(last()).toMatchObject({ end: "stop", model: "m" });
  chats.send("And?");
  await ended();
  expect(texts()!.at(-1)).toBe("answer to 3");
  expect([...kept.values()]).toEqual([chats.open.value]);
});

test("an answer that is stopped keeps what came of it", async () => {
  const { chats, ended, texts, last, failures } = await open(hangs);
  chats.send("A story");
  await expect.poll(() => chats.current.value?.content).toBe("Once upon");
  chats.send("ignored while an answer is made");
  chats.stop();
  await ended();
  expect(texts()).toEqual(["A story", "Once upon"]);
  expect(last()).toMatchObject({ end: "stopped", failure: null });
  expect(failures).toEqual([]);
});

test("another answer takes the place of the last, and an edited question that of all after it", async () => {
  const { chats, ended, texts } = await open();
  chats.send("One");
  await ended();
  chats.send("Two");
  await ended();
  chats.regenerate();
  await ended();
  expect(texts()).toEqual(["One", "answer to 1", "Two", "answer to 3"]);
  chats.edit(0, "Other");
  await ended();
  expect(texts()).toEqual(["Other", "answer to 1"]);
});

test("a failure is told and can be tried again", async () => {
  let alive = false;
  const { chats, ended, texts, last, failures } = await open((fields) => {
    if (!alive) throw new ServerError(UNREACHABLE);
    return counts(fields);
  });
  chats.send("Hello");
  await ended();
  expect(last()).toMatchObject({ end: "failed", failure: UNREACHABLE });
  expect(failures).toEqual([UNREACHABLE]);
  alive = true;
  chats.regenerate();
  await ended();
  expect(texts()).toEqual(["Hello", "answer to 1"]);
});

test("answers of several conversations are made at once, each in its own", async () => {
  const { chats, ended } = await open(hangs);
  chats.send("One");
  const one = chats.openId.value!;
  chats.openId.value = null;
  chats.send("Two");
  expect(chats.runs.value.size).toBe(2);
  chats.stop();
  await expect.poll(() => chats.runs.value.has(one) && chats.runs.value.size).toBe(1);
  chats.openId.value = one;
  chats.stop();
  await ended();
  expect(chats.list.value.map(({ messages }) => messages.length)).toEqual([2, 2]);
});

test("what is deleted stops, is gone from the store, and can be had back with its answer", async () => {
  const { chats, kept, ended } = await open(hangs);
  chats.send("One");
  await expect.poll(() => chats.current.value?.content).toBe("Once upon");
  chats.delete(chats.openId.value!);
  await ended();
  expect([chats.list.value, chats.open.value, kept.size]).toEqual([[], null, 0]);
  chats.restore();
  expect(chats.open.value?.messages.map(({ content }) => content)).toEqual(["One", "Once upon"]);
  expect([chats.deleted.value, kept.size]).toEqual([null, 1]);
});

test("a new name holds, also one given while an answer is made; an empty one is none", async () => {
  const { chats, kept, ended } = await open(hangs);
  chats.send("One");
  const id = chats.openId.value!;
  chats.rename(id, " Foxes ");
  chats.rename(id, " ");
  chats.stop();
  await ended();
  expect(chats.open.value?.title).toBe("Foxes");
  expect(kept.get(id)).toMatchObject({ title: "Foxes", messages: [{}, {}] });
});

test("what is stored comes back, the latest first, without what cannot be read", async () => {
  const stored = (id: string, updated: number) => ({ id, title: id, updated, messages: [] });
  const { chats } = await open(counts, [stored("old", 1), null, { id: "broken" }, stored("new", 2)]);
  expect(chats.list.value.map(({ id }) => id)).toEqual(["new", "old"]);
});

test("what another page has stored is shown after the next load, but not while an answer is made", async () => {
  const { chats, kept, ended } = await open(hangs);
  kept.set("other", { id: "other", title: "Other", updated: 1, messages: [] });
  chats.send("One");
  await chats.load();
  expect(chats.list.value).toHaveLength(1);
  chats.stop();
  await ended();
  await chats.load();
  expect(chats.list.value.map(({ title }) => title)).toEqual(["One", "Other"]);
});

test("a store that fails is told, and answers go on", async () => {
  const { chats, ended, texts } = await open(counts, [], () => Promise.reject(new Error("the disk is full")));
  chats.send("Hello");
  await ended();
  expect(texts()).toEqual(["Hello", "answer to 1"]);
  expect(chats.storageProblem.value).toMatch(/cannot be kept: the disk is full/);
  await chats.load();
  expect(chats.list.value).toHaveLength(1);
});
