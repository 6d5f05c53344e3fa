import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createApp, type RequestLog } from "../../src/server/app.ts";
import { listen } from "../../src/server/listen.ts";
import { HeldModel } from "./held-model.ts";
import { ScriptedModel } from "./scripted-model.ts";
import { startServer } from "./start-server.ts";

const CHAT = "/v1/chat/completions";
const body = JSON.stringify({ messages: [{ role: "user", content: "Hi" }], stream: true });
const post = { method: "POST", headers: { "content-type": "application/json" }, body };

/** Everything a server says on a connection, until it closes it. */
function readAll(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (data) => {
      text += data;
    });
    socket.on("error", () => {}); // a reset ends the connection like a close
    socket.on("close", () => resolve(text));
  });
}

function open(port: number): Socket {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  return socket;
}

test("a free port is taken and named", async () => {
  const server = await startServer(new ScriptedModel());
  expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
});

test("a taken port is an error that says what to do", async () => {
  const { port } = await startServer(new ScriptedModel());
  await expect(listen(createApp({ model: new ScriptedModel() }), { port })).rejects.toMatchObject({
    code: "listen_failed",
    message: expect.stringMatching(new RegExp(`port ${port} .*taken.*--port`)),
  });
});

test("an unusable address is an error that names it", async () => {
  const listening = listen(createApp({ model: new ScriptedModel() }), { port: 0, host: "192.0.2.1" });
  await expect(listening).rejects.toThrow("192.0.2.1");
});

test("a connection that is cut while the answer streams stops the generation", async () => {
  const model = new ScriptedModel({ hangs: true });
  const { port } = await startServer(model);
  const socket = open(port);
  socket.write(
    `POST ${CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  await new Promise((resolve) => socket.once("data", resolve));
  socket.destroy();
  await model.firstStop;
});

test("a connection that is cut in the middle of a body is no error of the server", async () => {
  const log: RequestLog[] = [];
  const { port } = await startServer(new ScriptedModel(), { log: (entry) => log.push(entry) });
  const socket = open(port);
  socket.write(
    `POST ${CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{`,
  );
  socket.end();
  await expect.poll(() => log.length).toBe(1);
  expect(log).toMatchObject([{ status: 499 }]);
});

test("a streamed answer is flushed event by event", async () => {
  const { url } = await startServer(new ScriptedModel({ hangs: true }));
  const response = await fetch(url + CHAT, post);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes('"content":"!"')) text += (await reader.read()).value;
  expect(text).not.toContain("[DONE]");
  await reader.cancel();
});

test("closing lets a running answer finish and refuses new connections", async () => {
  const model = new HeldModel();
  const server = await startServer(model, { graceMs: 60_000 });
  const response = await fetch(server.url + CHAT, post);
  const closed = server.close();
  await expect(fetch(`${server.url}/health`)).rejects.toThrow();
  model.letGo();
  expect(await response.text()).toContain("data: [DONE]");
  await closed;
});

test("closing cuts off answers that outlive the grace period, and stops them", async () => {
  const model = new ScriptedModel({ hangs: true });
  const abort = new AbortController();
  const server = await startServer(model, { signal: abort.signal, graceMs: 1 });
  const response = await fetch(server.url + CHAT, post);
  abort.abort();
  await expect(response.text()).rejects.toThrow();
  await model.firstStop;
  await server.closed;
});

test("a body above the limit is refused, also in chunks of unknown number", async () => {
  const { url } = await startServer(new ScriptedModel(), { maxBodyBytes: 1000 });
  const large = " ".repeat(5000);
  const announced = await fetch(url + CHAT, { ...post, body: large });
  expect([announced.status, (await announced.json()).error.code]).toEqual([413, "body_too_large"]);
  const chunks = new Response(large).body;
  const chunked = await fetch(url + CHAT, { ...post, body: chunks, duplex: "half" } as RequestInit);
  expect(chunked.status).toBe(413);
});

test("a client that sends its request too slowly is told so and cut off", async () => {
  const { port } = await startServer(new ScriptedModel(), { headersTimeoutMs: 50 });
  const socket = open(port);
  socket.write("POST / HTTP/1.1\r\nhost: localhost\r\nx-slow");
  expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 408 .*"error":/s);
});

test("a body that arrives too slowly is cut off", async () => {
  const { port } = await startServer(new ScriptedModel(), { headersTimeoutMs: 40, requestTimeoutMs: 50 });
  const socket = open(port);
  socket.write(
    `POST ${CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{`,
  );
  expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 408 .*"error":/s);
});

test.each([
  ["no HTTP", "hello\r\n\r\n", "400"],
  ["endless headers", `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(100_000)}`, "431"],
  ["a host that is no name", "GET / HTTP/1.1\r\nhost: a/b@c\r\nconnection: close\r\n\r\n", "400"],
  ["another's name", "GET /health HTTP/1.1\r\nhost: evil.com\r\nconnection: close\r\n\r\n", "403"],
])("%s gets an error in OpenAI's form", async (_, request, status) => {
  const { port } = await startServer(new ScriptedModel());
  const socket = open(port);
  socket.write(request);
  const answer = await readAll(socket);
  expect(answer.split("\r\n")[0]).toContain(` ${status} `);
  expect(answer).toContain('{"error":{"message":');
});
