import { expect, test } from "vitest";
import type { ChatCompletionChunk, ChatDelta, FinishReason } from "../../src/protocol/chat-response.ts";
import { addChunk, EMPTY_ANSWER, seconds, speedOf, statsOf } from "./answer.ts";

const head = { id: "1", created: 1, model: "m", system_fingerprint: "", object: "chat.completion.chunk" as const };

function chunk(delta: ChatDelta, finish: FinishReason | null = null): ChatCompletionChunk {
  return { ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], usage: null };
}

function usage(prompt: number, cached: number, answer: number): ChatCompletionChunk {
  const counts = {
    prompt_tokens: prompt,
    completion_tokens: answer,
    total_tokens: prompt + answer,
    prompt_tokens_details: { cached_tokens: cached },
    prompt_cache_hit_tokens: cached,
    prompt_cache_miss_tokens: prompt - cached,
  };
  return { ...head, choices: [], usage: counts };
}

const CHUNKS: readonly [ChatCompletionChunk, number][] = [
  [chunk({ role: "assistant", content: "" }), 90],
  [chunk({ reasoning_content: "Let me" }), 100],
  [chunk({ reasoning_content: " see." }), 2100],
  [chunk({ content: "42" }), 3000],
  [chunk({ content: "." }), 4100],
  [chunk({}, "stop"), 5000],
  [usage(30, 20, 9), 5001],
];

test("chunks become one answer, with the times at which its parts came", () => {
  const answer = CHUNKS.reduce((so, [one, ms]) => addChunk(so, one, ms), EMPTY_ANSWER);
  expect(answer).toMatchObject({ model: "m", reasoning: "Let me see.", content: "42.", end: "stop", failure: null });
  expect(answer).toMatchObject({ startedMs: 100, endedMs: 4100, reasoningMs: [100, 2100] });
  expect(answer.tokens).toEqual({ prompt: 30, cached: 20, answer: 9 });
  expect(speedOf(answer)).toBe(2);
  expect(statsOf(answer)).toEqual(["9 tokens", "2.0 tokens/s", "first token 0.10 s", "prompt 30, 20 cached"]);
});

test("an answer that was cut off by the limit says so, and one without counts claims none", () => {
  const answer = addChunk(EMPTY_ANSWER, chunk({ content: "a" }, "length"), 5);
  expect(answer.end).toBe("length");
  expect(statsOf(answer)).toEqual([]);
});

test("an answer that came all at once has no speed", () => {
  const pieces: readonly [ChatCompletionChunk, number][] = [
    [chunk({ content: "a" }), 100],
    [chunk({ content: "b" }), 119],
    [usage(3, 0, 50), 120],
  ];
  const answer = pieces.reduce((so, [one, ms]) => addChunk(so, one, ms), EMPTY_ANSWER);
  expect(speedOf(answer)).toBeNull();
  expect(speedOf({ ...answer, endedMs: 120 })).toBe(2450);
});

test("an answer of one token has no speed", () => {
  const answer = [chunk({ content: "a" }, "stop"), usage(3, 0, 2)].reduce(
    (so, one) => addChunk(so, one, 5),
    EMPTY_ANSWER,
  );
  expect(statsOf(answer)).toEqual(["2 tokens", "first token 0.01 s", "prompt 3"]);
  expect(statsOf(addChunk(answer, usage(3, 0, 1), 6))[0]).toBe("1 token");
});

test.each([
  [4, "0.00 s"],
  [994, "0.99 s"],
  [996, "1.0 s"],
  [9960, "10 s"],
  [59_400, "59 s"],
  [185_000, "3 min 5 s"],
])("%s ms are shown as %s", (ms, text) => expect(seconds(ms)).toBe(text));
