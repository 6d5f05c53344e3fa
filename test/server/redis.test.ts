import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openRedis } from "../../src/cli/rate-limit-store.ts";
import { createApp } from "../../src/server/app.ts";
import { skipMissing } from "../skip.ts";
import { ScriptedModel } from "./scripted-model.ts";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A Redis of the test's own, that keeps nothing. */
async function startRedis(): Promise<{ url: string; process: ChildProcess }> {
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const process = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void process.kill("SIGKILL"));
  let output = "";
  for await (const chunk of process.stdout!) {
    output += chunk;
    if (output.includes("Ready to accept connections")) break;
  }
  return { url: `redis://127.0.0.1:${port}`, process };
}

async function server(url: string, problems: string[] = []) {
  const redis = await openRedis(url, (problem) => problems.push(problem));
  onTestFinished(() => redis.close());
  const limits = { requestsPerMinute: 3, tokensPerMinute: 1000, redis: redis.client };
  return createApp({ model: new ScriptedModel(), rateLimits: limits });
}

const status = async (app: ReturnType<typeof createApp>) => (await app.request("/v1/models")).status;

describe("rate limits in Redis", () => {
  beforeEach((test) => {
    if (spawnSync("redis-server", ["--version"]).status !== 0) skipMissing(test, "redis-server");
  });

  it("are counted by several servers together, tokens too", async () => {
    const { url } = await startRedis();
    const [one, two] = [await server(url), await server(url)];
    expect([await status(one), await status(two), await status(one), await status(two)]).toEqual([200, 200, 200, 429]);
    const left = (await one.request("/v1/models")).headers.get("retry-after");
    expect(Number(left)).toBeGreaterThan(0);

    const ask = {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt: "a" }),
    };
    const other = { address: "192.0.2.9" };
    expect((await one.request("/v1/completions", ask, other)).status).toBe(200);
    const remaining = async () =>
      Number((await two.request("/v1/models", {}, other)).headers.get("x-ratelimit-remaining-tokens"));
    expect(await remaining()).toBe(1000 - 2 - 5);
  });

  it("are each server's own while Redis is gone, which is told once", async () => {
    const { url, process } = await startRedis();
    const problems: string[] = [];
    const app = await server(url, problems);
    expect(await status(app)).toBe(200);
    process.kill("SIGKILL");
    await once(process, "exit");
    await expect.poll(() => problems.length).toBe(1);
    expect([await status(app), await status(app), await status(app), await status(app)]).toEqual([200, 200, 200, 429]);
    expect(problems).toEqual([expect.stringContaining("Redis does not answer")]);
  });

  it("need a Redis that answers at the start, and no error shows the password", async () => {
    const opening = openRedis("redis://:hidden@127.0.0.1:1", () => {});
    await expect(opening).rejects.toThrow("--redis: no answer from 127.0.0.1:1");
    await expect(opening).rejects.not.toThrow("hidden");
    await expect(openRedis("localhost:6379", () => {})).rejects.toThrow("--redis: want a URL");
  });
});
