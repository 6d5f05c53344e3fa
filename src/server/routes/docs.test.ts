import { expect, test } from "vitest";
import { ScriptedModel } from "../../../test/server/scripted-model.ts";
import { operations } from "../../protocol/operations.ts";
import { createApp } from "../app.ts";

const app = createApp({ model: new ScriptedModel(), version: "1.2.3<" });

test("the docs page lists every request and parameter, without a script", async () => {
  const response = await app.request("/docs");
  const html = await response.text();
  for (const { path, request } of operations) {
    expect(html).toContain(`${path}</code></h2>`);
    for (const { name } of request?.parameters ?? []) expect(html).toContain(`<code>${name}</code>`);
  }
  expect(html).not.toMatch(/<script|1\.2\.3</);
  expect(response.headers.get("content-security-policy")).toContain("default-src 'none'; style-src 'sha256-");
});

test("the document names the version", async () => {
  expect(await (await app.request("/openapi.json")).json()).toMatchObject({
    openapi: "3.1.0",
    info: { version: "1.2.3<" },
  });
});
