import { describe, expect, it } from "vitest";
import { ScriptedModel } from "../../test/server/scripted-model.ts";
import { ApiError } from "../errors.ts";
import { Conversation } from "./conversation.ts";
import type { AnswerSinks } from "./stream-answer.ts";

const { signal } = new AbortController();
const request = { maxTokens: null };

function collect(onContent: () => void = () => {}) {
  const texts = { content: "", reasoning: "" };
  const sinks: AnswerSinks = {
    async content(text) {
      texts.content += text;
      onContent();
    },
    async reasoning(text) {
      texts.reasoning += text;
    },
  };
  return { texts, sinks };
}

function user(content: string) {
  return { role: "user", content };
}

describe("Conversation", () => {
  it("shows the model all turns before, without their reasoning, until it is reset", async () => {
    const model = new ScriptedModel({ answer: () => ["<think>", "hm", "</think>", "Well."] });
    const conversation = new Conversation(model, { system: "Be brief.", thinking: true, request });
    const { texts, sinks } = collect();
    for (const turn of ["one", "two"]) expect(await conversation.ask(turn, sinks, signal)).toBe(true);
    conversation.reset();
    await conversation.ask("three", sinks, signal);
    const system = { role: "system", content: "Be brief." };
    const answer = { role: "assistant", content: "Well." };
    expect(model.chats.map(({ messages }) => messages)).toEqual([
      [system, user("one")],
      [system, user("one"), answer, user("two")],
      [system, user("three")],
    ]);
    expect(model.chats[0]!.thinking).toBe(true);
    expect(texts).toEqual({ content: "Well.Well.Well.", reasoning: "hmhmhm" });
  });

  it("remembers a stopped answer as far as it came", async () => {
    const model = new ScriptedModel({ answer: () => ["Half"], hangs: true });
    const conversation = new Conversation(model, { thinking: false, request });
    expect(conversation.stop()).toBe(false);
    const { sinks } = collect(() => conversation.stop());
    expect(await conversation.ask("one", sinks, signal)).toBe(false);
    await conversation.ask("two", sinks, signal);
    expect(model.chats[1]!.messages).toEqual([user("one"), { role: "assistant", content: "Half" }, user("two")]);
  });

  it("forgets a turn that failed, and one stopped before it had a word", async () => {
    const error = new ApiError(400, "too long");
    const failing = new ScriptedModel({ answer: () => ["H"], fails: { after: 1, error } });
    const conversation = new Conversation(failing, { thinking: false, request });
    for (const turn of ["one", "two"])
      await expect(conversation.ask(turn, collect().sinks, signal)).rejects.toBe(error);
    expect(failing.chats[1]!.messages).toEqual([user("two")]);
  });

  it("ends with the signal's reason", async () => {
    const controller = new AbortController();
    const model = new ScriptedModel({ hangs: true });
    const conversation = new Conversation(model, { thinking: false, request });
    const { sinks } = collect(() => controller.abort(new Error("enough")));
    await expect(conversation.ask("one", sinks, controller.signal)).rejects.toThrow("enough");
  });
});
