import { beforeAll, describe, expect, it } from "vitest";
import { fixture } from "../shared-fixtures.ts";
import { endlessModel } from "./endless-model.ts";
import { built, deepts, start } from "./spawn-deepts.ts";

const model = fixture("v3-tiny")!;
const LISTENING = /^listening on (http:\/\/127\.0\.0\.1:\d+)\n$/;

beforeAll(built);

function chatRequest(url: string, body: object): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
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
      /^model deepts-tiny\nA tiny demonstration model .*\ncontext \d+ tokens; memory: weights .* MiB, cache .*, scratch .*\n$/,
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

  it.each([
    ["an unknown backend", ["--backend", "nosuch"], 4, "backend nosuch: unknown; want auto, cpu, wasm, reference"],
    ["a backend whose file is not there", ["--backend", "./nosuch.mjs"], 4, "backend ./nosuch.mjs: cannot be imported"],
    ["a model that is not there", ["--model", "nosuch.gguf"], 3, "nosuch.gguf: byte 0: there is no such file"],
    ["a port that is none", ["--port", "65536"], 2, '--port: want an integer (0 to 65535), got "65536"'],
    ["a context beyond the model's", ["--ctx-size", "99999"], 2, "--ctx-size: want an integer from 1 to"],
    ["a cache without room for an answer", ["--cache-memory", "1"], 2, "--cache-memory: 1.0 MiB"],
    ["an address of another machine", ["--host", "192.0.2.1"], 1, "this machine has no address 192.0.2.1"],
  ])("ends at once for %s", async (_what, args, code, says) => {
    const result = await deepts(["serve", "--port", "0", "--model", model, ...args]);
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
