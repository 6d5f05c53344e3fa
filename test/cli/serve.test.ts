import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { fixture } from "../shared-fixtures.ts";
import { endlessModel } from "./endless-model.ts";
import { built, deepts, type Running, start } from "./spawn-deepts.ts";

const model = fixture("v3-tiny")!;
const LISTENING = /^listening on (http:\/\/127\.0\.0\.1:\d+)\n$/;

beforeAll(built);

function chatRequest(url: string, body: object, signal?: AbortSignal): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    signal,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "any", messages: [{ role: "user", content: "Hello" }], ...body }),
  });
}

describe("deepts serve", () => {
  it("prints one line when it is ready, says on stderr what it serves, answers, and ends with 0 on SIGTERM", async () => {
    const server = start(["serve", "--port", "0"]);
    const [, url] = await server.until(LISTENING);
    expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: "ok", model: "deepts-tiny" });
    const answer = await (await chatRequest(url!, { max_tokens: 20, temperature: 0 })).json();
    expect(answer.choices[0].message.content).toMatch(/\w/);
    server.child.kill("SIGTERM");
    const { code, stdout, stderr } = await server.ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(LISTENING);
    expect(stderr).toMatch(
      /^model deepts-tiny\nA tiny demonstration model .*\ncontext \d+ tokens; memory: weights .*, cache .*, scratch .*\n$/,
    );
  });

  it("is what runs without a command, takes its settings from the environment, and ends with 0 on SIGINT", async () => {
    const server = start([], { DEEPTS_PORT: "0", DEEPTS_MODEL: model, DEEPTS_CTX_SIZE: "64", DEEPTS_PARALLEL: "1" });
    const [, url] = await server.until(LISTENING);
    const { data } = await (await fetch(`${url}/v1/models`)).json();
    expect(data[0]).toMatchObject({ id: "v3-tiny", context_length: 64 });
    server.child.kill("SIGINT");
    expect(await server.ended).toMatchObject({ code: 0 });
  });

  it("finds what it has read after kill -9, by the folder of --prefix-cache or DEEPTS_PREFIX_CACHE", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "deepts-serve-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const messages = [{ role: "user", content: "Please tell me all that you know of foxes. ".repeat(20) }];
    const ask = async (server: Running) => {
      const [, url] = await server.until(LISTENING);
      const { choices, usage } = await (await chatRequest(url!, { messages, max_tokens: 8, temperature: 0 })).json();
      return { text: choices[0].message.content, cached: usage.prompt_tokens_details.cached_tokens };
    };
    const killed = start(["serve", "--port", "0"], { DEEPTS_PREFIX_CACHE: folder });
    const before = await ask(killed);
    // Beginnings come first, and under their names only when they are complete.
    await expect.poll(async () => (await readdir(folder)).filter((name) => name.endsWith(".page"))).not.toEqual([]);
    killed.child.kill("SIGKILL");
    await killed.ended;
    const after = await ask(start(["serve", "--port", "0", "--prefix-cache", folder]));
    expect(before.cached).toBe(0);
    expect(after.cached).toBeGreaterThan(0);
    expect(after.text).toBe(before.text);
  });

  it("keeps no more than --prefix-cache-size", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "deepts-serve-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const server = start(["serve", "--port", "0", "--prefix-cache", folder, "--prefix-cache-size", "1MiB"]);
    const [, url] = await server.until(LISTENING);
    for (let i = 0; i < 3; i++) {
      const messages = [{ role: "user", content: `${i}: ${"Tell me of foxes and owls. ".repeat(60)}` }];
      await chatRequest(url!, { messages, max_tokens: 1 });
    }
    const told = async () => {
      const text = await (await fetch(`${url}/metrics`)).text();
      return Number(/^deepts_stored_prefix_writes_total\{model="deepts-tiny"\} (\d+)$/m.exec(text)![1]);
    };
    await expect.poll(told).toBeGreaterThan(0);
    server.child.kill("SIGTERM");
    expect(await server.ended).toMatchObject({ code: 0 });
    const sizes = (await readdir(folder)).map(async (name) => (await stat(path.join(folder, name))).size);
    const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    expect(bytes).toBeGreaterThan(2 ** 19);
    expect(bytes).toBeLessThanOrEqual(2 ** 20);
  });

  it("keeps no more than --max-waiting waiting", async () => {
    const room = ["--model", endlessModel(), "--parallel", "1", "--max-waiting", "0"];
    const server = start(["serve", "--port", "0", ...room]);
    const [, url] = await server.until(LISTENING);
    // Each would go on until the context is full.
    const leave = new AbortController();
    const asked = Array.from({ length: 3 }, () => chatRequest(url!, { stream: true }, leave.signal));
    const answers = await Promise.all(asked);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 503, 503]);
    const refused = answers.find(({ status }) => status === 503)!;
    expect([refused.headers.get("retry-after"), (await refused.json()).error.code]).toEqual(["1", "queue_full"]);
    leave.abort();
  });

  it("lets a running answer end before it stops", async () => {
    const server = start(["serve", "--port", "0", "--model", model]);
    const [, url] = await server.until(LISTENING);
    const response = await chatRequest(url!, { max_tokens: 40, stream: true, ignore_eos: true });
    const reader = response.body!.getReader();
    let text = new TextDecoder().decode((await reader.read()).value);
    server.child.kill("SIGTERM");
    for (let part = await reader.read(); !part.done; part = await reader.read())
      text += new TextDecoder().decode(part.value);
    expect(text.trimEnd().endsWith("data: [DONE]")).toBe(true);
    expect(await server.ended).toMatchObject({ code: 0 });
  });

  it("serves several models, each from its first use, in memory for one", async () => {
    const room = ["--ctx-size", "64", "--parallel", "1"];
    const { memory } = JSON.parse((await deepts(["inspect", model, "--json", ...room])).stdout);
    const models = ["--model", `one=${model}`, "--model", `two=${model}`, "--memory", `${memory.loaded.process}`];
    const server = start(["serve", "--port", "0", "--lazy", ...models, ...room]);
    const [, url] = await server.until(LISTENING);
    const states = async () => {
      const { data } = await (await fetch(`${url}/v1/models`)).json();
      return data.map(({ id, state }: { id: string; state: string }) => `${id} ${state}`);
    };
    expect(await states()).toEqual(["one unloaded", "two unloaded"]);
    for (const name of ["two", "one"])
      expect(await (await chatRequest(url!, { model: name, max_tokens: 1 })).json()).toMatchObject({ model: name });
    expect(await states()).toEqual(["one loaded", "two unloaded"]);
    server.child.kill("SIGTERM");
    const { code, stderr } = await server.ended;
    expect([code, stderr.match(/^model .*/gm)]).toEqual([0, ["model two", "model one"]]);
  });

  it("asks for a key, speaks TLS and logs requests without what was said", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "deepts-serve-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const files = { cert: path.join(folder, "cert.pem"), key: path.join(folder, "key.pem") };
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"];
    const make = [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      files.key,
      "-out",
      files.cert,
      ...subject,
    ];
    if (spawnSync("openssl", make).status !== 0) throw new Error("openssl made no certificate");
    const args = ["--tls-cert", files.cert, "--tls-key", files.key, "--log-level", "info"];
    const server = start(["serve", "--port", "0", ...args], { DEEPTS_API_KEY: "sk-0123456789abcdef" });
    const [, url] = await server.until(/^listening on (https:\/\/127\.0\.0\.1:\d+)\n$/);
    const ca = await readFile(files.cert);
    const ask = (key: string) =>
      new Promise<number>((resolve, reject) => {
        const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
        const options = { method: "POST", headers, ca, agent: false as const };
        request(`${url}/v1/completions`, options, (response) => {
          response.resume().on("end", () => resolve(response.statusCode!));
        })
          .on("error", reject)
          .end('{"prompt": "A secret prompt", "max_tokens": 2}');
      });
    expect([await ask("sk-wrong-0123456789"), await ask("sk-0123456789abcdef")]).toEqual([401, 200]);
    server.child.kill("SIGTERM");
    const { code, stderr } = await server.ended;
    expect(code).toBe(0);
    const lines = stderr.split("\n").filter((line) => line.startsWith("{"));
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { msg: "request", method: "POST", path: "/v1/completions", status: 401 },
      { msg: "request", status: 200, key: "default", requestId: expect.any(String), durationMs: expect.any(Number) },
    ]);
    expect(stderr).not.toMatch(/secret|sk-/);
  });

  it.each([
    ["a key that can be guessed", ["--api-key", "secret"], 2, "--api-key: want a key of at least 16"],
    ["a file of keys that is not there", ["--api-keys", "nosuch.json"], 2, "--api-keys: cannot read nosuch.json"],
    ["a certificate without its key", ["--tls-cert", "package.json"], 2, "--tls-cert and --tls-key belong together"],
    [
      "a certificate that is none",
      ["--tls-cert", "package.json", "--tls-key", "package.json"],
      1,
      "--tls-cert and --tls-key: want a PEM",
    ],
    ["a Redis that is not there", ["--redis", "redis://127.0.0.1:1"], 2, "--redis: no answer from 127.0.0.1:1"],
    ["an admin key that can be guessed", ["--admin-key", "secret"], 2, "--admin-key: want a key of at least 16"],
    ["two models of one name", ["--model", model, "--model", model], 2, "--model: two models are called v3-tiny"],
    [
      "a second model that is not there",
      ["--model", model, "--model", "b=nosuch.gguf"],
      3,
      "nosuch.gguf: byte 0: there is no such",
    ],
    ["a model larger than memory", ["--memory", "1MiB"], 2, '--memory: model "v3-tiny" takes'],
    ["an unknown backend", ["--backend", "nosuch"], 4, "backend nosuch: unknown; want auto, cpu, wasm, reference"],
    ["a backend whose file is not there", ["--backend", "./nosuch.mjs"], 4, "backend ./nosuch.mjs: cannot be imported"],
    ["a model that is not there", ["--model", "nosuch.gguf"], 3, "nosuch.gguf: byte 0: there is no such file"],
    ["a port that is none", ["--port", "65536"], 2, '--port: want an integer (0 to 65535), got "65536"'],
    ["a context beyond the model's", ["--ctx-size", "99999"], 2, "--ctx-size: want an integer from 1 to"],
    [
      "a size that is meant in megabytes",
      ["--prefix-cache-size", "4096"],
      2,
      "--prefix-cache-size: want a size such as 8GB",
    ],
    ["a cache without room for an answer", ["--cache-memory", "1MiB"], 2, "--cache-memory: 1.0 MiB"],
    ["an address of another machine", ["--host", "192.0.2.1"], 1, "this machine has no address 192.0.2.1"],
  ])("ends at once for %s", async (_what, args, code, says) => {
    const models = args.includes("--model") ? [] : ["--model", model];
    const result = await deepts(["serve", "--port", "0", ...models, ...args]);
    expect(result).toMatchObject({ code, stdout: "" });
    expect(result.stderr).toContain(`deepts: ${says}`);
    expect(result.stderr.trim().split("\n")).toHaveLength(1);
  });
});

describe("the exit codes of the process", () => {
  it("follow the kind of the failure", async () => {
    expect(await deepts(["tokenise"])).toMatchObject({ code: 2, stdout: "" });
    expect(await deepts(["inspect", "nosuch.gguf"])).toMatchObject({ code: 3, stdout: "" });
    expect(await deepts(["tokenize", "--model", model], { input: "Hello" })).toMatchObject({ code: 0, stderr: "" });
  });

  it("are 0 and no word where the reader leaves early", async () => {
    const running = start(["inspect", model]);
    running.child.stdout.destroy();
    expect(await running.ended).toMatchObject({ code: 0, stderr: "" });
  });

  it("are 130 for a command that Ctrl-C ends", async () => {
    const generating = start(["generate", "--model", endlessModel(), "--prompt", "Hello"]);
    await generating.until(/./);
    generating.child.kill("SIGINT");
    expect(await generating.ended).toMatchObject({ code: 130, stderr: "" });
  });
});
