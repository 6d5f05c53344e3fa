import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { ScriptedModel } from "../../test/server/scripted-model.ts";
import { findApiKey, parseApiKeys, singleApiKey } from "./api-keys.ts";
import { type AppOptions, createApp, type RequestLog } from "./app.ts";

const KEY = "sk-alice-0123456789";
const alice = singleApiKey(KEY, "alice", "--api-key");
const bob = singleApiKey("sk-bob-0123456789abc", "bob", "--api-key");

const messages = [{ role: "user", content: "Hi there" }];

function open(options: Partial<AppOptions> = {}) {
  const model = new ScriptedModel();
  const app = createApp({ model, ...options });
  const ask = (headers: Record<string, string> = {}, path = "/v1/chat/completions", body: object = { messages }) =>
    app.request(
      path,
      { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) },
      { address: "192.0.2.7" },
    );
  return { model, app, ask };
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

test("with keys, only a request that carries one is answered, in either header", async () => {
  const { ask, model } = open({ apiKeys: [bob, alice] });
  expect((await ask(bearer(KEY))).status).toBe(200);
  expect((await ask({ "x-api-key": KEY })).status).toBe(200);
  for (const headers of [{}, bearer("wrong-key-0123456789"), { authorization: `Basic ${KEY}` }, bearer(`${KEY}x`)]) {
    const response = await ask(headers);
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    expect((await response.json()).error.code).toBe("invalid_api_key");
  }
  expect(model.requests).toHaveLength(2);
});

test("an Anthropic client hears of a wrong key in its own form", async () => {
  const { ask } = open({ apiKeys: [alice] });
  const response = await ask({ "x-api-key": "wrong" }, "/v1/messages", { max_tokens: 1, messages });
  expect(await response.json()).toMatchObject({ type: "error", error: { type: "authentication_error" } });
});

test("health, page and documents need no key; metrics and models do", async () => {
  const { app } = open({ apiKeys: [alice] });
  const statuses = async (...paths: string[]) =>
    Promise.all(paths.map(async (path) => (await app.request(path)).status));
  expect(await statuses("/health", "/", "/docs", "/openapi.json")).toEqual([200, 200, 200, 200]);
  expect(await statuses("/metrics", "/v1/models", "/v1/responses/x")).toEqual([401, 401, 401]);
});

test("models are managed with an admin key only; where it is the only key, all else needs none", async () => {
  const admin = { ...singleApiKey("sk-admin-0123456789", "admin", "--admin-key"), admin: true };
  const load = async (options: Partial<AppOptions>, headers: Record<string, string>) => {
    const response = await open(options).ask(headers, "/v1/models/load", { model: "scripted" });
    return [response.status, ((await response.json()) as { error?: { code: string } }).error?.code];
  };
  expect(await load({ adminKeys: [admin] }, bearer("sk-admin-0123456789"))).toEqual([200, undefined]);
  expect(await load({ apiKeys: [alice, admin] }, bearer("sk-admin-0123456789"))).toEqual([200, undefined]);
  expect(await load({ adminKeys: [admin] }, {})).toEqual([401, "invalid_api_key"]);
  expect(await load({ adminKeys: [admin] }, bearer("none"))).toEqual([401, "invalid_api_key"]);
  expect(await load({ apiKeys: [alice], adminKeys: [admin] }, {})).toEqual([401, "invalid_api_key"]);
  expect(await load({ apiKeys: [alice], adminKeys: [admin] }, bearer(KEY))).toEqual([403, "admin_key_required"]);
  expect(await load({ apiKeys: [alice] }, bearer(KEY))).toEqual([403, "admin_key_required"]);
  expect(await load({}, {})).toEqual([403, "admin_key_required"]);

  const { ask, model } = open({ adminKeys: [admin] });
  expect([(await ask()).status, (await ask(bearer("none"))).status]).toEqual([200, 200]);
  await ask(bearer("sk-admin-0123456789"));
  expect(model.requests.map(({ cacheSalt }) => cacheSalt)).toEqual([undefined, undefined, expect.any(String)]);
});

test("a key is nowhere but in the request: not in memory, logs or errors", async () => {
  const log: RequestLog[] = [];
  const { ask } = open({ apiKeys: [alice], log: (entry) => log.push(entry) });
  await ask(bearer(KEY));
  const wrong = await (await ask(bearer("wrong-key-0123456789"))).text();
  expect(JSON.stringify([alice, log, wrong])).not.toMatch(/sk-alice|wrong-key/);
  expect(log.map(({ key, status }) => [key, status])).toEqual([
    ["alice", 200],
    [undefined, 401],
  ]);
});

test("each key has a cache of its own, and its priority", async () => {
  const { ask, model } = open({ apiKeys: [{ ...alice, priority: 3 }, bob], answerTimeoutMs: 5000 });
  await ask(bearer(KEY));
  const cacheSalt = createHash("sha256").update(KEY).digest("hex");
  expect(model.requests[0]).toMatchObject({ cacheSalt, priority: 3, timeoutMs: 5000 });
  const { ask: anyone, model: shared } = open();
  await anyone();
  expect(shared.requests[0]).not.toHaveProperty("cacheSalt");
});

test("responses belong to the key that made them", async () => {
  const { app, ask } = open({ apiKeys: [alice, bob] });
  const { id } = await (await ask(bearer(KEY), "/v1/responses", { input: "Hi" })).json();
  const get = async (key: string) => (await app.request(`/v1/responses/${id}`, { headers: bearer(key) })).status;
  expect([await get(KEY), await get("sk-bob-0123456789abc")]).toEqual([200, 404]);
});

test("every key is compared, whichever it is", () => {
  let compared = 0;
  const watched = [alice, bob].map((key) => ({
    ...key,
    get hash() {
      compared++;
      return key.hash;
    },
  }));
  expect(findApiKey(watched, KEY)?.name).toBe("alice");
  expect(compared).toBe(2);
});

test("a file of keys holds keys or their hashes, with limits", () => {
  const sha256 = createHash("sha256").update(KEY).digest("hex");
  const text = JSON.stringify({
    keys: [
      { name: "a", sha256, requestsPerMinute: 5, admin: true },
      { name: "b", key: "another-long-key-1" },
    ],
  });
  const keys = parseApiKeys(text, "keys.json");
  expect(findApiKey(keys, KEY)).toMatchObject({ name: "a", requestsPerMinute: 5, admin: true });
  expect(findApiKey(keys, "another-long-key-1")?.name).toBe("b");
});

test.each([
  ["no JSON", "{", /keys.json is not JSON/],
  ["no keys", '{"keys": []}', /keys.json: keys/],
  ["a short key", '{"keys": [{"name": "a", "key": "short-secret"}]}', /keys.json: keys.0.key/],
  ["both forms", `{"keys": [{"name": "a", "key": "${KEY}", "sha256": "${"0".repeat(64)}"}]}`, /either key or sha256/],
  ["an unknown field", '{"keys": [{"name": "a", "limit": 1}]}', /keys.json: keys.0/],
  [
    "one name twice",
    `{"keys": [{"name": "a", "key": "${KEY}1"}, {"name": "a", "key": "${KEY}2"}]}`,
    /two keys of the name a/,
  ],
])("a file of keys with %s is refused, and shows none", (_, text, message) => {
  const parse = () => parseApiKeys(text, "keys.json");
  expect(parse).toThrow(message);
  expect(parse).not.toThrow(/secret|sk-alice/);
});

test("a key that can be guessed is refused", () => {
  expect(() => singleApiKey("secret", "a", "--api-key")).toThrow(/--api-key: want a key of at least 16/);
});

test("requests beyond the limit get 429 and the time to wait, each address by itself", async () => {
  const { app, ask } = open({ rateLimits: { requestsPerMinute: 2 } });
  const first = await ask();
  expect([
    first.headers.get("x-ratelimit-limit-requests"),
    first.headers.get("x-ratelimit-remaining-requests"),
  ]).toEqual(["2", "1"]);
  await ask();
  const refused = await ask();
  expect([refused.status, (await refused.json()).error.code]).toEqual([429, "rate_limit_exceeded"]);
  const seconds = Number(refused.headers.get("retry-after"));
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(60);
  expect((await app.request("/v1/models", {}, { address: "192.0.2.8" })).status).toBe(200);
  expect((await app.request("/health", {}, { address: "192.0.2.7" })).status).toBe(200);
});

test("a key's own limit goes before the server's", async () => {
  const { ask } = open({ apiKeys: [{ ...alice, requestsPerMinute: 1 }, bob], rateLimits: { requestsPerMinute: 100 } });
  expect((await ask(bearer(KEY))).status).toBe(200);
  expect((await ask(bearer(KEY))).status).toBe(429);
  expect((await ask(bearer("sk-bob-0123456789abc"))).status).toBe(200);
});

test("spent tokens count, prompts included, also those of an answer that was left", async () => {
  const { ask } = open({ rateLimits: { tokensPerMinute: 9 } });
  // 3 + 5 tokens, then again: beyond 9, which shows only at the third.
  expect((await ask()).status).toBe(200);
  expect((await ask()).status).toBe(200);
  const refused = await ask();
  expect([refused.status, (await refused.json()).error.message]).toEqual([429, expect.stringContaining("9 tokens")]);
});
