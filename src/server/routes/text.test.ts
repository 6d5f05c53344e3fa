import { expect, test } from "vitest";
import { ScriptedModel } from "../../../test/server/scripted-model.ts";
import { detokenized, templated, tokenized } from "../../protocol/text-requests.ts";
import { createApp } from "../app.ts";

const model = new ScriptedModel();
const app = createApp({ model });

function post(path: string, body: unknown) {
  const headers = { "content-type": "application/json" };
  return app.request(path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function tokens(body: object) {
  return tokenized.strict().parse(await (await post("/tokenize", body)).json()).tokens;
}

test("text becomes ids and text again", async () => {
  const ids = await tokens({ content: "two words" });
  expect(ids).toHaveLength(2);
  const back = await post("/detokenize", { tokens: ids });
  expect(detokenized.strict().parse(await back.json())).toEqual({ content: "two words" });
});

test("BOS comes first only where it is asked for", async () => {
  const ids = await tokens({ content: "two words" });
  expect(await tokens({ content: "two words", add_special: true })).toEqual([0, ...ids]);
});

test("special tokens are parsed unless they are to be plain text", async () => {
  const content = "<｜User｜>hi";
  expect(await tokens({ content, with_pieces: true })).toMatchObject([{ piece: "<｜User｜>" }, { piece: "hi" }]);
  expect(await tokens({ content, with_pieces: true, parse_special: false })).toMatchObject([{ piece: content }]);
});

test("a piece that is no text by itself comes as bytes", async () => {
  class HalfModel extends ScriptedModel {
    override tokenBytes() {
      return Uint8Array.of(0xe2, 0x82);
    }
  }
  const response = await createApp({ model: new HalfModel() }).request("/tokenize", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ content: "x", with_pieces: true }),
  });
  expect(await response.json()).toMatchObject({ tokens: [{ piece: [0xe2, 0x82] }] });
});

test("a conversation becomes the prompt that a chat request makes", async () => {
  const chat = { messages: [{ role: "user", content: "Hi" }], thinking: true, add_generation_prompt: false };
  const answer = templated.strict().parse(await (await post("/apply-template", chat)).json());
  expect(answer).toEqual({ prompt: "Hi", tokens: model.encodePrompt("Hi") });
  expect(model.chats.at(-1)).toMatchObject({ thinking: true, addGenerationPrompt: false });
});

test.each([
  ["/tokenize", {}, "content"],
  ["/tokenize", { content: "x", prompt: "x" }, "prompt"],
  ["/detokenize", { tokens: [123_456] }, "tokens"],
  ["/detokenize", { tokens: [-1] }, "tokens[0]"],
  ["/apply-template", { messages: [] }, "messages"],
  ["/apply-template", { messages: [{ role: "user", content: "x" }], temperature: 1 }, "temperature"],
])("%s refuses %j and names %s", async (path, body, param) => {
  const response = await post(path, body);
  expect([response.status, (await response.json()).error.param]).toEqual([400, param]);
});
