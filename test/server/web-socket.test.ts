import { expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { singleApiKey } from "../../src/server/api-keys.ts";
import { HeldModel } from "./held-model.ts";
import { type Script, ScriptedModel } from "./scripted-model.ts";
import { startServer } from "./start-server.ts";

const CHAT = "/v1/chat/completions";
const messages = [{ role: "user", content: "Hi there" }];
const KEY = "sk-alice-0123456789";

interface Message {
  readonly id?: string;
  readonly type: string;
  readonly status?: number;
  readonly data?: { choices: { delta: { content?: string } }[] };
  readonly body?: Record<string, unknown>;
  readonly error?: { code: string; message: string };
}

/** A real client that keeps what it gets. */
class Client {
  readonly received: Message[] = [];
  readonly socket: WebSocket;
  readonly opened: Promise<void>;
  readonly closed: Promise<number>;
  #look = () => {};

  constructor(
    port: number,
    options: { headers?: Record<string, string>; protocols?: string[]; autoPong?: boolean } = {},
  ) {
    const { headers = {}, protocols = [], autoPong = true } = options;
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, protocols, { headers, autoPong });
    onTestFinished(() => this.socket.terminate());
    this.opened = new Promise((resolve, reject) => {
      this.socket.once("open", resolve);
      this.socket.once("error", reject);
    });
    this.closed = new Promise((resolve) => this.socket.once("close", resolve));
    this.socket.on("message", (data) => {
      this.received.push(JSON.parse(String(data)) as Message);
      this.#look();
    });
  }

  send(...frames: (object | string)[]): void {
    for (const frame of frames) this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  async until(wanted: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const found = this.received.find(wanted);
      if (found) return found;
      await new Promise<void>((resolve) => {
        this.#look = resolve;
      });
    }
  }

  text(id: string): string {
    return this.received
      .filter((message) => message.id === id && message.type === "event")
      .map(({ data }) => data?.choices[0]?.delta.content ?? "")
      .join("");
  }
}

async function connect(script: Script = {}, options: Parameters<typeof startServer>[1] = {}) {
  const model = new ScriptedModel(script);
  const server = await startServer(model, options);
  const client = new Client(server.port);
  await client.opened;
  return { model, server, client };
}

const ask = (id: string, body: object = {}) => ({
  type: "request",
  id,
  path: CHAT,
  body: { messages, stream: true, ...body },
});

test("several requests of one socket stream side by side, each under its id", async () => {
  const { client } = await connect();
  client.send(ask("a"), ask("b"), ask("c", { stream: false }), { type: "request", id: "d", path: "/v1/models" });
  for (const id of ["a", "b"]) await client.until((message) => message.id === id && message.type === "done");
  expect([client.text("a"), client.text("b")]).toEqual(["Hello, world!", "Hello, world!"]);
  expect(await client.until(({ id }) => id === "c")).toMatchObject({
    type: "response",
    status: 200,
    body: { choices: [{ message: { content: "Hello, world!" } }] },
  });
  expect(await client.until(({ id }) => id === "d")).toMatchObject({ body: { data: [{ id: "scripted" }] } });
});

test("named events of other APIs keep their names", async () => {
  const { client } = await connect();
  client.send({ type: "request", id: "a", path: "/v1/messages", body: { messages, max_tokens: 9, stream: true } });
  await client.until(({ type }) => type === "done");
  expect(client.received[0]).toMatchObject({ type: "event", event: "message_start", data: { type: "message_start" } });
});

test("a cancel stops that request alone, and its id is free again", async () => {
  const { client, model } = await connect({ hangs: true });
  client.send(ask("a"), ask("b"));
  await client.until(({ id, type }) => id === "a" && type === "event");
  await client.until(({ id, type }) => id === "b" && type === "event");
  client.send({ type: "cancel", id: "a" });
  await client.until(({ id, type }) => id === "a" && type === "cancelled");
  await model.firstStop;
  expect(model.stopped).toBe(1);
  client.send(ask("a"));
  await expect.poll(() => model.requests.length).toBe(3);
});

test("a cancel before the first event is answered by nothing else", async () => {
  const { client, model } = await connect({ answer: () => [], hangs: true });
  client.send(ask("a"), ask("b", { stream: false }));
  await expect.poll(() => model.requests.length).toBe(2);
  client.send({ type: "cancel", id: "a" }, { type: "cancel", id: "b" });
  for (const name of ["a", "b"]) await client.until(({ id }) => id === name);
  client.send({ type: "ping" });
  await client.until(({ type }) => type === "pong");
  expect(client.received.map(({ type }) => type)).toEqual(["cancelled", "cancelled", "pong"]);
  expect(model.stopped).toBe(2);
});

test("a socket that closes stops all its requests", async () => {
  const { client, model } = await connect({ hangs: true });
  client.send(ask("a"), ask("b"));
  await expect.poll(() => model.requests.length).toBe(2);
  client.socket.terminate();
  await expect.poll(() => model.stopped).toBe(2);
});

test("errors have the status and body of the HTTP API", async () => {
  const { client } = await connect();
  client.send(ask("a", { temperature: 9 }), { type: "request", id: "b", path: "/nowhere" });
  expect(await client.until(({ id }) => id === "a")).toMatchObject({
    type: "error",
    status: 400,
    error: { param: "temperature" },
  });
  expect(await client.until(({ id }) => id === "b")).toMatchObject({ type: "error", status: 404 });
});

test.each([
  ["no JSON", "{"],
  ["another form", '{"type": "hello"}'],
  ["a path that is a URL", '{"type": "request", "id": "a", "path": "//evil.com/"}'],
  ["deep nesting", `{"type": "request", "id": "a", "path": "/", "body": ${"[".repeat(50_000)}`],
])("a frame with %s is an error, and the socket lives", async (_, frame) => {
  const { client } = await connect();
  client.send(frame);
  const answer = await client.until(() => true);
  expect(answer).toMatchObject({ type: "error", status: 400, error: { code: "invalid_frame" } });
  client.send({ type: "ping" });
  await client.until(({ type }) => type === "pong");
});

test("an id that is in use and more requests than are allowed are refused", async () => {
  const { client } = await connect({ hangs: true }, { webSockets: { maxRequests: 2 } });
  client.send(ask("a"), ask("a"), ask("b"), ask("c"));
  expect(await client.until(({ type }) => type === "error")).toMatchObject({
    id: "a",
    error: { code: "invalid_frame" },
  });
  expect(await client.until(({ id }) => id === "c")).toMatchObject({
    status: 429,
    error: { code: "too_many_requests" },
  });
});

test("a frame above the limit closes the socket with 1009", async () => {
  const { client } = await connect({}, { webSockets: { maxFrameBytes: 1000 } });
  client.send(" ".repeat(2000));
  expect(await client.closed).toBe(1009);
});

test("keys are asked for: in the header, or as a browser can send them", async () => {
  const { port } = await startServer(new ScriptedModel(), { apiKeys: [singleApiKey(KEY, "alice", "")] });
  await expect(new Client(port).opened).rejects.toThrow("401");
  const encoded = Buffer.from(KEY).toString("base64url");
  for (const options of [
    { headers: { authorization: `Bearer ${KEY}` } },
    { protocols: ["deepts", `deepts.key.${encoded}`] },
  ]) {
    const client = new Client(port, options);
    await client.opened;
    client.send(ask("a"));
    await client.until(({ type }) => type === "done");
    expect(client.text("a")).toBe("Hello, world!");
  }
});

test("pages of other origins and hosts of other names are kept out", async () => {
  const { port } = await startServer(new ScriptedModel(), { cors: ["https://friend.example"] });
  const open = (headers: Record<string, string>) => new Client(port, { headers }).opened;
  await expect(open({ origin: "https://evil.example" })).rejects.toThrow("403");
  await expect(open({ host: "evil.example" })).rejects.toThrow("403");
  await open({ origin: "https://friend.example" });
  await open({ origin: `http://127.0.0.1:${port}` });
});

test("each request of a socket counts towards the limit", async () => {
  const { client } = await connect({}, { rateLimits: { requestsPerMinute: 2 } });
  client.send(ask("a"));
  await client.until(({ type }) => type === "done");
  client.send(ask("b"));
  expect(await client.until(({ id }) => id === "b")).toMatchObject({ type: "error", status: 429 });
});

test("a reader that does not read holds up its own answer, not the server's memory", async () => {
  const piece = "x".repeat(64 << 10);
  let taken = 0;
  class LongModel extends ScriptedModel {
    override async *generate(...parameters: Parameters<ScriptedModel["generate"]>) {
      for await (const event of super.generate(...parameters)) {
        taken++;
        yield event;
      }
    }
  }
  const model = new LongModel({ answer: () => Array.from({ length: 2000 }, () => piece) });
  const server = await startServer(model);
  const client = new Client(server.port);
  await client.opened;
  client.send(ask("a"));
  await client.until(({ type }) => type === "event");
  client.socket.pause();
  let before = -1;
  await expect
    .poll(
      () => {
        const still = before === taken;
        before = taken;
        return still;
      },
      { interval: 300 },
    )
    .toBe(true);
  expect(taken).toBeLessThan(1000); // 64 MB of 128
  client.socket.resume();
  await client.until(({ type }) => type === "done");
  expect(taken).toBe(2001);
});

test("a socket that no longer answers pings is cut, and its requests end", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const model = new ScriptedModel({ hangs: true });
  const { port } = await startServer(model, { webSockets: { pingMs: 30 } });
  const client = new Client(port, { autoPong: false });
  await client.opened;
  client.send(ask("a"));
  await client.until(({ type }) => type === "event");
  vi.advanceTimersByTime(30);
  expect(client.socket.readyState).toBe(WebSocket.OPEN);
  vi.advanceTimersByTime(30);
  await client.closed;
  await model.firstStop;
});

test("closing lets running requests end, then says goodbye", async () => {
  const model = new HeldModel();
  const server = await startServer(model, { graceMs: 60_000 });
  const client = new Client(server.port);
  await client.opened;
  client.send(ask("a"));
  await client.until(({ type }) => type === "event");
  const closed = server.close();
  client.send(ask("b"));
  expect(await client.until(({ id }) => id === "b")).toMatchObject({ type: "error", status: 503 });
  model.letGo();
  await client.until(({ id, type }) => id === "a" && type === "done");
  expect(await client.closed).toBe(1001);
  await closed;
});

test("a plain request hears that an upgrade is needed", async () => {
  const { url } = await startServer(new ScriptedModel());
  const response = await fetch(`${url}/v1/ws`);
  expect([response.status, response.headers.get("upgrade")]).toEqual([426, "websocket"]);
});
