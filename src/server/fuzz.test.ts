import fc from "fast-check";
import { expect, test } from "vitest";
import { ScriptedModel } from "../../test/server/scripted-model.ts";
import { errorBody } from "../protocol/error.ts";
import { chatParameters, completionParameters } from "../protocol/parameters.ts";
import { createApp } from "./app.ts";

const app = createApp({ model: new ScriptedModel() });

async function expectDocumented(path: string, body: string): Promise<void> {
  const response = await app.request(path, { method: "POST", headers: { "content-type": "application/json" }, body });
  if (response.status !== 200) {
    expect(response.status).toBe(400);
    errorBody.parse(await response.json());
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
] as const)("%s answers any JSON body with 200 or a 400 in OpenAI's form", async (path, parameters, valid) => {
  const body = fc.oneof(fc.json(), bodies(names(parameters), valid as fc.Arbitrary<object>));
  await fc.assert(
    fc.asyncProperty(body, (text) => expectDocumented(path, text)),
    { numRuns: 1000 },
  );
});
