import fc from "fast-check";
import { expect, test } from "vitest";
import { ScriptedModel } from "../../test/server/scripted-model.ts";
import { errorBody } from "../protocol/error.ts";
import { anthropicError } from "../protocol/messages-response.ts";
import {
  chatParameters,
  completionParameters,
  detokenizeParameters,
  embeddingsParameters,
  manageParameters,
  messagesParameters,
  responsesParameters,
  templateParameters,
  tokenizeParameters,
} from "../protocol/parameters.ts";
import { singleApiKey } from "./api-keys.ts";
import { createApp } from "./app.ts";

const ADMIN = "admin-key-0123456789";
const adminKeys = [{ ...singleApiKey(ADMIN, "admin", "--admin-key"), admin: true }];
const app = createApp({ model: new ScriptedModel(), adminKeys });

async function expectDocumented(path: string, body: string): Promise<void> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${ADMIN}` };
  const response = await app.request(path, { method: "POST", headers, body });
  if (response.status !== 200) {
    // A previous_response_id that is any string is not stored.
    expect([400, 404]).toContain(response.status);
    (path.startsWith("/v1/messages") ? anthropicError : errorBody).parse(await response.json());
  } else await response.text();
}

const value = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(null, true, false, 0, 1, -1, 0.5, 2 ** 53, 1e308, "", "text", "auto", [], {}, [[]], ["a"], [1]),
);

const message = fc.record(
  {
    role: fc.constantFrom("system", "developer", "user", "assistant", "tool", "x"),
    content: fc.oneof(
      fc.string(),
      fc.array(fc.record({ type: fc.constantFrom("text", "image_url"), text: fc.string() })),
      value,
    ),
    tool_call_id: fc.oneof(fc.string(), value),
    tool_calls: value,
    name: value,
  },
  { requiredKeys: ["role", "content"] },
);

/** A valid body in which a few parameters have any value. */
const bodies = (names: readonly string[], valid: fc.Arbitrary<object>) =>
  fc
    .tuple(
      valid,
      fc.dictionary(fc.constantFrom(...names, "unknown", "__proto__", "constructor"), value, { maxKeys: 3 }),
    )
    .map(([base, parts]) => JSON.stringify({ ...base, ...parts }));

const names = (parameters: readonly { name: string }[]) => parameters.map(({ name }) => name);

test.each([
  ["/v1/chat/completions", chatParameters, fc.record({ messages: fc.array(message, { maxLength: 3 }) })],
  ["/v1/completions", completionParameters, fc.record({ prompt: fc.oneof(fc.string(), fc.array(fc.nat(3)), value) })],
  ["/v1/responses", responsesParameters, fc.record({ input: fc.oneof(fc.string(), fc.array(message), value) })],
  [
    "/v1/messages",
    messagesParameters,
    fc.record({ messages: fc.array(message, { maxLength: 3 }), max_tokens: fc.integer({ min: 1, max: 9 }) }),
  ],
  ["/v1/embeddings", embeddingsParameters, fc.record({ input: fc.oneof(fc.string(), fc.array(fc.nat(3)), value) })],
  ["/tokenize", tokenizeParameters, fc.record({ content: fc.oneof(fc.string(), value) })],
  ["/detokenize", detokenizeParameters, fc.record({ tokens: fc.oneof(fc.array(fc.nat(3)), value) })],
  ["/v1/models/load", manageParameters, fc.record({ model: fc.constantFrom("scripted", "other") })],
  ["/v1/models/unload", manageParameters, fc.record({ model: fc.constantFrom("scripted", "other") })],
  ["/apply-template", templateParameters, fc.record({ messages: fc.array(message, { maxLength: 3 }) })],
] as const)("%s answers any JSON body with 200 or a refusal in its form", async (path, parameters, valid) => {
  const body = fc.oneof(fc.json(), bodies(names(parameters), valid as fc.Arbitrary<object>));
  await fc.assert(
    fc.asyncProperty(body, (text) => expectDocumented(path, text)),
    { numRuns: 500 },
  );
});
