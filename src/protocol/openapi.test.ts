import { expect, test } from "vitest";
import { routes } from "../server/route-table.ts";
import { openApiDocument } from "./openapi.ts";
import { operations } from "./operations.ts";

type Schema = {
  type?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  required?: string[];
  anyOf?: Schema[];
};
type Described = {
  requestBody?: { content: { "application/json": { schema: Schema } } };
  responses: Record<string, { content: Record<string, unknown> }>;
};

const { paths } = openApiDocument("1.2.3") as { paths: Record<string, Record<string, Described>> };

test("every route is described and every description has its route", () => {
  const served = routes
    .filter(({ path }) => !path.startsWith("/page"))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)(?:\{.*\})?/, "{$1}")}`);
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(described.sort()).toEqual(served.sort());
});

test("every parameter that is taken is in the schema, and no other", () => {
  for (const { method, path, request } of operations) {
    if (request === undefined) continue;
    const { schema } = paths[path]![method.toLowerCase()]!.requestBody!.content["application/json"];
    const taken = request.parameters.filter(({ state }) => state !== "refused").map(({ name }) => name);
    expect(Object.keys(schema.properties!).sort(), path).toEqual(taken.sort());
  }
});

test("lists say what their items are", () => {
  const { schema } = paths["/v1/chat/completions"]!.post!.requestBody!.content["application/json"];
  expect(schema.properties!.messages!.items).toMatchObject({ oneOf: expect.any(Array) });
  expect(schema.required).toEqual(["messages"]);
});

test("streams say what their events may hold: parts, an error, and what ends them", () => {
  const dataOf = (path: string) => {
    const stream = paths[path]!.post!.responses[200]!.content["text/event-stream"] as { schema: Schema };
    return stream.schema.properties!.data;
  };
  const parts = { type: "string", contentSchema: { anyOf: [expect.anything(), { required: ["error"] }] } };
  for (const path of ["/v1/chat/completions", "/v1/completions", "/chat/completions", "/beta/completions"]) {
    expect(dataOf(path), path).toMatchObject({ anyOf: [parts, { const: "[DONE]" }] });
  }
  expect(dataOf("/v1/responses")).toMatchObject(parts);
});

test("the document is JSON, and holds nothing of zod", () => {
  const text = JSON.stringify(paths);
  expect(text).not.toMatch(/_zod|~standard/);
});
