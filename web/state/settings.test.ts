import { expect, test } from "vitest";
import { chatRequest } from "../../src/protocol/chat-request.ts";
import { DEFAULT_SETTINGS, RANGES, readSettings, requestFields, type Settings } from "./settings.ts";

const CHOSEN: Settings = {
  theme: "dark",
  model: "m",
  apiKey: "k",
  system: "Be brief.",
  thinking: true,
  temperature: 0.5,
  topP: 0.9,
  maxTokens: 100,
  seed: 7,
};

test("settings come back from storage as they were", () => {
  expect(readSettings(JSON.stringify(CHOSEN))).toEqual(CHOSEN);
  expect(readSettings(null)).toEqual(DEFAULT_SETTINGS);
});

test.each([
  "",
  "{",
  "null",
  "7",
  '"dark"',
  "[]",
  '{"theme":"pink","temperature":9,"topP":"1","maxTokens":1.5,"seed":-1}',
])("what cannot be read has its default: %s", (text) => expect(readSettings(text)).toEqual(DEFAULT_SETTINGS));

test("only what was chosen is sent, under the names of the API", () => {
  expect(requestFields(DEFAULT_SETTINGS)).toEqual({ thinking: false });
  expect(requestFields(CHOSEN)).toEqual({ thinking: true, temperature: 0.5, top_p: 0.9, max_tokens: 100, seed: 7 });
});

test("the API takes both ends of every range", () => {
  for (const end of ["min", "max"] as const) {
    const ends = Object.fromEntries(Object.entries(RANGES).map(([name, range]) => [name, range[end]]));
    const fields = requestFields({ ...DEFAULT_SETTINGS, ...ends });
    const { error } = chatRequest.safeParse({ messages: [{ role: "user", content: "Hello" }], ...fields });
    expect(error).toBeUndefined();
  }
});
