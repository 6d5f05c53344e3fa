import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ReasoningEvent, type ReasoningOptions, ReasoningSplitter } from "./reasoning.ts";

function split(pieces: readonly string[], options?: ReasoningOptions) {
  const splitter = new ReasoningSplitter(options);
  const events: ReasoningEvent[] = [...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.flush()];
  const join = (type: string) =>
    events
      .filter((event) => event.type === type)
      .map((event) => event.text)
      .join("");
  expect(events.every((event) => event.text !== "")).toBe(true);
  return { reasoning: join("reasoning"), content: join("content") };
}

const thinking = { startsInThinking: true };

describe("ReasoningSplitter", () => {
  it.each<[string, string, ReasoningOptions, { reasoning: string; content: string }]>([
    ["R1's form", "<think>\nHm.\n\nYes.\n</think>\n\nHi\n", {}, { reasoning: "Hm.\n\nYes.", content: "Hi\n" }],
    ["the opening tag in the prompt", "Hm.\n</think>\n\nHi", thinking, { reasoning: "Hm.", content: "Hi" }],
    ["newlines after the prompt's tag", "\n\nHm.\n</think>Hi", thinking, { reasoning: "Hm.", content: "Hi" }],
    ["an opening tag in both", "\n<think>\nHm.</think>Hi", thinking, { reasoning: "Hm.", content: "Hi" }],
    ["no reasoning at all", "Hi there\n", {}, { reasoning: "", content: "Hi there\n" }],
    ["white space before text, kept", "\n Hi", {}, { reasoning: "", content: "\n Hi" }],
    ["white space before the tag, dropped", "\n <think>a</think>b", {}, { reasoning: "a", content: "b" }],
    ["empty reasoning", "<think>\n\n</think>\n\nHi", {}, { reasoning: "", content: "Hi" }],
    ["only a closing tag", "</think>Hi", {}, { reasoning: "", content: "Hi" }],
    ["only a closing tag, in thinking", "\n</think>\nHi", thinking, { reasoning: "", content: "Hi" }],
    ["tags in the answer", "<think>a</think>b <think>c</think>", {}, { reasoning: "a", content: "b <think>c</think>" }],
    [
      "tags in a plain answer",
      "The tag <think> and </think>",
      {},
      { reasoning: "", content: "The tag <think> and </think>" },
    ],
    ["a tag inside reasoning", "<think>a <think> b</think>c", {}, { reasoning: "a <think> b", content: "c" }],
    ["an end within reasoning", "<think>a\n</thi", {}, { reasoning: "a\n</thi", content: "" }],
    ["an end after a newline", "<think>a\n\n", {}, { reasoning: "a\n\n", content: "" }],
    ["an end within the opening tag", "<thi", {}, { reasoning: "", content: "<thi" }],
    ["an end within the opening tag, in thinking", " <thi", thinking, { reasoning: " <thi", content: "" }],
    ["white space alone", " \n", {}, { reasoning: "", content: " \n" }],
    ["nothing", "", {}, { reasoning: "", content: "" }],
    ["almost a tag", "<thinker>", {}, { reasoning: "", content: "<thinker>" }],
    ["almost a closing tag", "<think>a\n</thinker>", {}, { reasoning: "a\n</thinker>", content: "" }],
    ["spaces, which are kept", "<think> a </think> b", {}, { reasoning: " a ", content: " b" }],
  ])("splits %s, whole and character by character", (_, text, options, want) => {
    expect(split([text], options)).toEqual(want);
    expect(split([...text], options)).toEqual(want);
  });

  it("gives the same result however the text is cut", () => {
    const part = fc.constantFrom("<think>", "</think>", "\n", " ", "a", "<", "</thi", "nk>", "<<think>");
    const texts = fc.array(
      fc.array(part, { maxLength: 4 }).map((parts) => parts.join("")),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(texts, fc.boolean(), (pieces, startsInThinking) => {
        const whole = split([pieces.join("")], { startsInThinking });
        expect(split(pieces, { startsInThinking })).toEqual(whole);
        expect(split([...pieces.join("")], { startsInThinking })).toEqual(whole);
      }),
      { numRuns: 3000, seed: 3 },
    );
  });

  it("streams: text comes out with the piece that makes it certain", () => {
    const splitter = new ReasoningSplitter();
    expect(splitter.push("<think>")).toEqual([]);
    expect(splitter.push("\n")).toEqual([]);
    expect(splitter.push("one ")).toEqual([{ type: "reasoning", text: "one " }]);
    expect(splitter.push("two\n<")).toEqual([{ type: "reasoning", text: "two" }]);
    expect(splitter.push("3")).toEqual([{ type: "reasoning", text: "\n<3" }]);
    expect(splitter.push("\n</think>\n")).toEqual([]);
    expect(splitter.push("\nHi")).toEqual([{ type: "content", text: "Hi" }]);
    expect(splitter.flush()).toEqual([]);
  });
});
