import { expect, test } from "vitest";
import { ScriptedModel } from "../../../test/server/scripted-model.ts";
import { embeddings } from "../../protocol/embeddings.ts";
import { createApp } from "../app.ts";

const app = createApp({ model: new ScriptedModel() });

function ask(body: object) {
  const headers = { "content-type": "application/json" };
  return app.request("/v1/embeddings", { method: "POST", headers, body: JSON.stringify(body) });
}

test("texts and token ids get a vector each, in order", async () => {
  const answer = embeddings.strict().parse(await (await ask({ input: ["one", "one two"] })).json());
  expect(answer).toMatchObject({
    data: [
      { index: 0, embedding: [2, 0.5] },
      { index: 1, embedding: [3, 0.5] },
    ],
    model: "scripted",
    usage: { prompt_tokens: 5, total_tokens: 5 },
  });
  expect(await (await ask({ input: [[0], [0, 1]], pooling: "last" })).json()).toMatchObject({
    data: [{ embedding: [1, -0.5] }, { embedding: [2, -0.5] }],
  });
});

test("base64 holds the f32 values, little-endian", async () => {
  const { data } = await (await ask({ input: "one", encoding_format: "base64" })).json();
  expect(data[0].embedding).toBe(Buffer.from(Float32Array.of(2, 0.5).buffer).toString("base64"));
});

test.each([
  [{ input: "x", dimensions: 8 }, "dimensions"],
  [{ input: [] }, "input"],
  [{ input: "" }, "input"],
  [{ input: [0, 99_999] }, "input"],
  [{ input: [[0], [99_999]] }, "input[1]"],
  [{ input: "x", encoding_format: "int8" }, "encoding_format"],
])("%j is refused and %s named", async (body, param) => {
  const response = await ask(body);
  expect([response.status, (await response.json()).error.param]).toEqual([400, param]);
});
