import { expect, test } from "vitest";
import { ScriptedModel } from "../../test/server/scripted-model.ts";
import type { ModelActivity } from "../engine/generation.ts";
import { ApiError } from "../errors.ts";
import { createApp } from "./app.ts";

const messages = [{ role: "user", content: "my secret prompt" }];

test("metrics count requests by pattern, tokens and ends, and hold nothing of what was said", async () => {
  const app = createApp({ model: new ScriptedModel() });
  const headers = { "content-type": "application/json" };
  const ask = (body: object) =>
    app.request("/v1/chat/completions", { method: "POST", headers, body: JSON.stringify(body) });
  await ask({ messages });
  await ask({ messages, max_tokens: 1 });
  await ask({ messages: 1 });
  await app.request("/v1/models/scripted");
  await app.request(`/made-up-${"x".repeat(50)}`);
  const response = await app.request("/metrics");
  expect(response.headers.get("content-type")).toContain("text/plain");
  const text = await response.text();
  for (const line of [
    'deepts_http_requests_total{method="POST",route="/v1/chat/completions",status="200"} 2',
    'deepts_http_requests_total{method="POST",route="/v1/chat/completions",status="400"} 1',
    'deepts_http_requests_total{method="GET",route="/v1/models/:id{.+}",status="200"} 1',
    'deepts_http_requests_total{method="GET",route="other",status="404"} 1',
    'deepts_answers_total{model="scripted",reason="stop"} 1',
    'deepts_answers_total{model="scripted",reason="length"} 1',
    'deepts_generated_tokens_total{model="scripted"} 6',
    'deepts_prompt_tokens_total{model="scripted"} 8',
    'deepts_answers_in_progress{model="scripted"} 0',
    'deepts_time_to_first_token_seconds_count{model="scripted"} 2',
    'deepts_time_between_tokens_seconds_count{model="scripted"} 3',
  ]) {
    expect(text).toContain(line);
  }
  expect(text).not.toMatch(/made-up|secret/);
});

test.each([
  ["refused", new ApiError(400, "the prompt is too long")],
  ["refused", new ApiError(503, "the queue is full")],
  ["failed", new ApiError(504, "not complete in time")],
  ["failed", new Error("the step broke")],
])("an answer counts as %s after %s", async (reason, error) => {
  const app = createApp({ model: new ScriptedModel({ fails: { after: 0, error } }) });
  const headers = { "content-type": "application/json" };
  await app.request("/v1/chat/completions", { method: "POST", headers, body: JSON.stringify({ messages }) });
  const text = await (await app.request("/metrics")).text();
  expect(text).toContain(`deepts_answers_total{model="scripted",reason="${reason}"} 1`);
});

test("an answer that the client left counts as cancelled", async () => {
  const model = new ScriptedModel({ hangs: true });
  const app = createApp({ model });
  const abort = new AbortController();
  const response = await app.request("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages, stream: true }),
    signal: abort.signal,
  });
  const reader = response.body!.getReader();
  await reader.read();
  abort.abort();
  await reader.cancel();
  await model.firstStop;
  const metrics = async () => (await app.request("/metrics")).text();
  await expect.poll(metrics).toContain('deepts_answers_total{model="scripted",reason="cancelled"} 1');
});

test("the pages of the cache and those that are stored are told as they are now", async () => {
  const activity: ModelActivity = {
    running: 1,
    waiting: 0,
    pages: { total: 16, available: 13, indexed: 5 },
    evictions: 7,
    stored: { pages: 20, bytes: 2000, hits: 4, misses: 3, writes: 2, damaged: 1 },
  };
  const model = Object.assign(new ScriptedModel(), { activity });
  const app = createApp({ model });
  const values = async () => {
    const text = await (await app.request("/metrics")).text();
    return Object.fromEntries(
      [...text.matchAll(/^deepts_((?:cache|stored)_\S+)\{model="scripted"\} (\d+)$/gm)].map(([, name, value]) => [
        name,
        Number(value),
      ]),
    );
  };
  const cache = { cache_pages: 16, cache_pages_held: 3, cache_pages_indexed: 5, cache_evictions_total: 7 };
  const stored = {
    stored_prefix_pages: 20,
    stored_prefix_bytes: 2000,
    stored_prefix_hits_total: 4,
    stored_prefix_misses_total: 3,
    stored_prefix_writes_total: 2,
    stored_prefix_damaged_total: 1,
  };
  for (let scrape = 0; scrape < 2; scrape++) expect(await values()).toEqual({ ...cache, ...stored });
  model.activity = { ...activity, stored: null };
  expect(await values()).toEqual(cache);
});
