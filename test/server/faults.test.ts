import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LoadedModel, loadModel } from "../../src/node.ts";
import { openServer, type TestServer } from "./start-server.ts";

/** What attackers and broken clients send: each gets a clear error, the process lives, nothing stays behind. */
let model: LoadedModel;
let server: TestServer;
/** The same, with little time for a request to arrive. */
let hasty: TestServer;

beforeAll(async () => {
  model = await loadModel(undefined, { contextSize: 256, parallel: 2 });
  server = await openServer(model.engine);
  hasty = await openServer(model.engine, { headersTimeoutMs: 200, requestTimeoutMs: 300 });
});

afterAll(async () => {
  await server.close();
  await hasty.close();
  await model.close();
});

function open({ port } = server): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {}); // a reset is an answer too
  return socket;
}

/** Everything the server says until it closes the connection. */
function said(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (data) => {
      text += data;
    });
    socket.on("close", () => resolve(text));
  });
}

/** The server's end of the next connection to it. */
function accepted(): Promise<Socket> {
  return new Promise((resolve) => {
    const channel = "net.server.socket";
    const take = (message: unknown) => {
      unsubscribe(channel, take);
      resolve((message as { socket: Socket }).socket);
    };
    subscribe(channel, take);
  });
}

/** What was refused as too large must not have been read to its end first. */
const MOST_READ = 2 ** 18;

async function expectAlive(): Promise<void> {
  const { pages, running, waiting } = model.engine.activity;
  expect([running, waiting, pages.available]).toEqual([0, 0, pages.total]);
  const { choices } = await server.client.chat.completions.create({
    model: "x",
    messages: [{ role: "user", content: "Hello" }],
    max_tokens: 3,
    temperature: 0,
  });
  expect(choices[0]!.message.content).toMatch(/\w/);
}

async function post(
  path: string,
  body: string,
): Promise<{ status: number; error: { message: string; param: string } }> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(server.url + path, { method: "POST", headers, body });
  return { status: response.status, ...((await response.json()) as { error: { message: string; param: string } }) };
}

const many = (length: number, item: string) => `[${Array(length).fill(item).join(",")}]`;
const deep = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
const PROPERTIES = `{"properties": {${Array.from({ length: 50_000 }, (_, i) => `"property${i}":{}`)}}}`;
const chat = (rest: string) => `{"messages": [{"role": "user", "content": "x"}], ${rest}}`;

describe("a hostile body", () => {
  it.each([
    ["n = 1e9", "/v1/chat/completions", chat('"n": 1e9'), "n"],
    ["n = 1e9 for texts", "/v1/completions", '{"prompt": "x", "n": 1000000000}', "n"],
    ["a million messages", "/v1/chat/completions", `{"messages": ${many(1e6, "{}")}}`, "messages"],
    [
      "a million numbers where messages should be",
      "/v1/chat/completions",
      `{"messages": ${many(1e6, "1")}}`,
      "messages",
    ],
    ["a million stop strings", "/v1/chat/completions", chat(`"stop": ${many(5e5, '"a"')}`), "stop"],
    ["a million prompts", "/v1/completions", `{"prompt": ${many(8e5, '"a"')}}`, "prompt"],
    ["a million tokens", "/v1/completions", `{"prompt": ${many(1e6, "5")}}`, "prompt"],
    ["a million inputs", "/v1/embeddings", `{"input": ${many(8e5, '"a"')}}`, "input"],
    ["a million tokens to spell", "/detokenize", `{"tokens": ${many(1e6, "-1")}}`, "tokens[0]"],
    ["a million items", "/v1/responses", `{"input": ${many(1e6, "{}")}}`, "input"],
    [
      "a million biases",
      "/v1/chat/completions",
      chat(`"logit_bias": {${Array.from({ length: 2e5 }, (_, i) => `"${i}":1`)}}`),
      "logit_bias",
    ],
    ["a schema of 50,000 properties", "/v1/chat/completions", chat(`"guided_json": ${PROPERTIES}`), "guided_json"],
    [
      "a strict tool of 50,000 properties",
      "/v1/chat/completions",
      chat(`"tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": ${PROPERTIES}}}]`),
      "tools",
    ],
    ["a tool of 50,000 properties for a template", "/apply-template", chat(`"tools": [${PROPERTIES}]`), "tools"],
    [
      "a schema of a million values",
      "/v1/responses",
      `{"input": "x", "text": {"format": {"schema": ${many(1e6, "{}")}}}}`,
      "text",
    ],
    [
      "a pattern of a million characters",
      "/v1/completions",
      `{"prompt": "x", "guided_regex": "${"a".repeat(1e6)}"}`,
      "guided_regex",
    ],
    ["a temperature that is no number", "/v1/chat/completions", chat('"temperature": 1e999'), "temperature"],
    ["deep nesting", "/v1/chat/completions", chat(`"tools": ${deep(1e6)}`), null],
    [
      "a deep schema",
      "/v1/chat/completions",
      chat(
        `"tools": [{"type": "function", "function": {"name": "f", "parameters": ${'{"a":'.repeat(1e5)}1${"}".repeat(1e5)}}}]`,
      ),
      null,
    ],
    ["a prototype", "/v1/chat/completions", chat('"__proto__": {"model": "x"}'), "__proto__"],
  ])("with %s is refused, and the server lives", async (_, path, body, param) => {
    const { error, status } = await post(path, body);
    expect([status, error.param]).toEqual([400, param]);
    expect(error.message.length).toBeLessThan(400);
    await expectAlive();
  });

  it("for Anthropic's paths is refused in their form", async () => {
    const { status, error } = await post("/v1/messages", `{"max_tokens": 1, "messages": ${many(1e6, "{}")}}`);
    expect([status, error.message]).toEqual([400, expect.stringContaining("'messages'")]);
    await expectAlive();
  });
});

describe("a hostile connection", () => {
  it("with 10 MB of headers gets 431", async () => {
    const taken = accepted();
    const socket = open();
    const answer = said(socket);
    socket.write("GET /health HTTP/1.1\r\nhost: localhost\r\n");
    for (let i = 0; i < 160 && !socket.destroyed; i++) socket.write(`x-${i}: ${"y".repeat(64 << 10)}\r\n`);
    // The connection is reset while the client still writes, which may then hear of that only.
    expect(await answer).toMatch(/^(HTTP\/1\.1 431 .*)?$/s);
    expect((await taken).bytesRead).toBeLessThan(MOST_READ);
    await expectAlive();
  });

  it("with more headers than are taken gets 431", async () => {
    const socket = open();
    const answer = said(socket);
    socket.write(`GET /health HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(20 << 10)}\r\n\r\n`);
    expect(await answer).toMatch(/^HTTP\/1\.1 431 .*"error":/s);
    await expectAlive();
  });

  it("with a hundred thousand headers is cut", async () => {
    const taken = accepted();
    const socket = open();
    const answer = said(socket);
    socket.write(`GET /health HTTP/1.1\r\nhost: localhost\r\n${"a: b\r\n".repeat(100_000)}\r\n`);
    expect(await answer).toMatch(/^(HTTP\/1\.1 431 .*)?$/s);
    expect((await taken).bytesRead).toBeLessThan(MOST_READ);
    await expectAlive();
  });

  it("that sends a letter at a time is told so and cut (slow-loris)", async () => {
    const sockets = Array.from({ length: 20 }, () => open(hasty));
    const answers = sockets.map(said);
    const drip = setInterval(() => {
      for (const socket of sockets) if (!socket.destroyed) socket.write("x");
    }, 20);
    for (const socket of sockets) socket.write("GET /health HTTP/1.1\r\nhost: localhost\r\nx-slow: ");
    const texts = await Promise.all(answers);
    clearInterval(drip);
    for (const text of texts) expect(text).toMatch(/^HTTP\/1\.1 408 /);
    await expectAlive();
  });

  it("that keeps its half open after it has been told is cut", async () => {
    const taken = accepted();
    const socket = connect({ port: hasty.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.write("GET /health HTTP/1.1\r\nhost: localhost\r\nx-slow: ");
    const [answer] = await once(socket, "data");
    expect(String(answer)).toMatch(/^HTTP\/1\.1 408 /);
    await once(await taken, "close");
    socket.destroy();
    await expectAlive();
  });

  it("that drips its body is cut", async () => {
    const socket = open(hasty);
    const answer = said(socket);
    const drip = setInterval(() => socket.destroyed || socket.write(" "), 20);
    socket.write(
      "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n",
    );
    expect(await answer).toMatch(/^HTTP\/1\.1 408 /);
    clearInterval(drip);
    await expectAlive();
  });

  it("that says nothing at all is closed", async () => {
    const socket = open(hasty);
    await said(socket);
    await expectAlive();
  });

  it("whose client has closed its half counts as gone, and frees its place", async () => {
    const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    const closed = said(socket);
    const body = '{"prompt": "Once upon", "max_tokens": 200, "ignore_eos": true, "stream": true}';
    socket.write(
      `POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await new Promise((resolve) => socket.once("data", resolve));
    socket.end();
    await closed;
    await expect.poll(() => model.engine.activity.running).toBe(0);
    await expectAlive();
  });

  it("that is reset in the middle of a stream frees its place", async () => {
    const body = '{"prompt": "Once upon", "max_tokens": 200, "ignore_eos": true, "stream": true}';
    for (let i = 0; i < 10; i++) {
      const socket = open();
      socket.write(
        `POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      await new Promise((resolve) => socket.once("data", resolve));
      socket.resetAndDestroy();
    }
    await expect.poll(() => model.engine.activity.running).toBe(0);
    await expectAlive();
  });

  it("that sends two lengths, a bad method or a bad version gets 400", async () => {
    for (const head of [
      "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc",
      "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\nabc",
      "GÄT / HTTP/1.1\r\nhost: localhost\r\n\r\n",
      "GET / HTTP/9.9\r\nhost: localhost\r\n\r\n",
    ]) {
      const socket = open();
      socket.write(head);
      expect(await said(socket)).toMatch(/^HTTP\/1\.1 400 /);
    }
    await expectAlive();
  });

  it.each(["/v1/models/../../etc/passwd", "/v1/models/%2e%2e%2fetc%2fpasswd", "/v1/responses/..%2f..%2fx", "/%00"])(
    "asking for %s finds nothing",
    async (path) => {
      const socket = open();
      const answer = said(socket);
      socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
      expect(await answer).toMatch(/^HTTP\/1\.1 404 .*"error":/s);
      await expectAlive();
    },
  );
});
