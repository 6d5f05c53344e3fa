import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import * as z from "zod";
import { ApiError } from "../errors.ts";
import { errorBodyOf } from "./dialects.ts";
import { toApiError } from "./errors.ts";
import { MAX_DEPTH } from "./json-body.ts";
import { findJsonProblem } from "./json-text.ts";

export interface WebSocketOptions {
  /** Longer frames close the socket. Default 4 MiB. */
  readonly maxFrameBytes?: number;
  /** Requests that one socket may have running. Default 32. */
  readonly maxRequests?: number;
  /** Time between pings; a socket that has not answered one by the next is cut. Default 30 000. */
  readonly pingMs?: number;
}

interface App {
  fetch(request: Request, origin: { readonly address?: string }): Response | Promise<Response>;
}

/** What browsers, which cannot set headers, name as a second protocol: `deepts.key.` and the key in base64url. */
const PROTOCOL = "deepts";
const KEY_PROTOCOL = "deepts.key.";
/** RFC 6455 7.4.1. */
const GOING_AWAY = 1001;

const frame = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("request"),
    id: z.string().min(1).max(64),
    method: z.enum(["GET", "POST", "DELETE"]).optional(),
    path: z
      .string()
      .regex(/^\/(?!\/)[\w/.-]*$/)
      .max(512),
    body: z.unknown().optional(),
  }),
  z.strictObject({ type: z.literal("cancel"), id: z.string() }),
  z.strictObject({ type: z.literal("ping") }),
]);

type RequestFrame = Extract<z.output<typeof frame>, { type: "request" }>;

/**
 * The HTTP API over web sockets: each frame that asks is a request to the same app, with the headers of the upgrade, so
 * keys, limits and errors are the same. docs/API.md describes the frames.
 */
export class WebSockets {
  readonly #app: App;
  readonly #server: WebSocketServer;
  readonly #maxRequests: number;
  readonly #pings: NodeJS.Timeout;
  readonly #silent = new WeakSet<WebSocket>();
  readonly #running = new WeakMap<WebSocket, Map<string, AbortController>>();
  #closing = false;

  constructor(app: App, { maxFrameBytes = 4 << 20, maxRequests = 32, pingMs = 30_000 }: WebSocketOptions = {}) {
    this.#app = app;
    this.#maxRequests = maxRequests;
    this.#server = new WebSocketServer({
      noServer: true,
      maxPayload: maxFrameBytes,
      handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
    });
    this.#pings = setInterval(() => this.#ping(), pingMs);
    this.#pings.unref();
  }

  /** Takes over a connection that asks for an upgrade, if the app lets the request in: its answer to GET /v1/ws is 426. */
  async upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on("error", () => socket.destroy());
    const origin = { address: incoming.socket.remoteAddress };
    const request = upgradeRequest(incoming);
    const answer = request === null ? refusal() : await this.#app.fetch(request, origin);
    if (answer.status !== 426 || this.#closing || request === null) return refuse(socket, answer);
    this.#server.handleUpgrade(incoming, socket, head, (webSocket) => this.#serve(webSocket, request, origin));
  }

  /** Lets running requests end, and takes no more. */
  close(): void {
    this.#closing = true;
    clearInterval(this.#pings);
    for (const socket of this.#server.clients) this.#closeIfIdle(socket);
  }

  /** Cuts what is left. */
  cut(): void {
    for (const socket of this.#server.clients) socket.terminate();
  }

  #serve(socket: WebSocket, upgrade: Request, origin: { readonly address?: string }): void {
    const running = new Map<string, AbortController>();
    this.#running.set(socket, running);
    socket.on("pong", () => this.#silent.delete(socket));
    socket.on("error", () => {}); // ws closes the socket itself
    socket.on("close", () => {
      for (const abort of running.values()) abort.abort();
    });
    socket.on("message", (data, isBinary) => {
      const read = isBinary ? badFrame("want a text frame that holds JSON") : readFrame(String(data));
      if (read instanceof ApiError) void this.#send(socket, undefined, failure(read));
      else if (read.type === "ping") void this.#send(socket, undefined, { type: "pong" });
      else if (read.type === "cancel") running.get(read.id)?.abort();
      else void this.#answer(socket, read, running, upgrade, origin);
    });
  }

  async #answer(
    socket: WebSocket,
    asked: RequestFrame,
    running: Map<string, AbortController>,
    upgrade: Request,
    origin: { readonly address?: string },
  ): Promise<void> {
    const { id } = asked;
    const problem = this.#refusal(id, running);
    if (problem !== null) return this.#send(socket, id, failure(problem));
    const abort = new AbortController();
    running.set(id, abort);
    try {
      const response = await this.#app.fetch(frameRequest(asked, upgrade, abort.signal), origin);
      for await (const message of messagesOf(response)) {
        if (abort.signal.aborted) break;
        await this.#send(socket, id, message);
      }
    } catch (error) {
      if (!abort.signal.aborted) await this.#send(socket, id, failure(toApiError(error)));
    } finally {
      running.delete(id);
      if (abort.signal.aborted) await this.#send(socket, id, { type: "cancelled" });
      this.#closeIfIdle(socket);
    }
  }

  #refusal(id: string, running: ReadonlyMap<string, unknown>): ApiError | null {
    if (this.#closing) return new ApiError(503, "the server is shutting down", { code: "shutting_down" });
    if (running.has(id)) return badFrame("a request of this id is still running");
    if (running.size < this.#maxRequests) return null;
    return new ApiError(429, `more than ${this.#maxRequests} requests of one socket at a time`, {
      code: "too_many_requests",
    });
  }

  /** Resolves once the socket has taken the message, so that a slow reader slows its answers down, and not the memory. */
  #send(socket: WebSocket, id: string | undefined, message: object): Promise<void> {
    const text = JSON.stringify(id === undefined ? message : { id, ...message });
    return new Promise((resolve) => {
      if (socket.readyState === socket.OPEN) socket.send(text, () => resolve());
      else resolve();
    });
  }

  #closeIfIdle(socket: WebSocket): void {
    if (this.#closing && this.#running.get(socket)?.size === 0) socket.close(GOING_AWAY, "the server is shutting down");
  }

  #ping(): void {
    for (const socket of this.#server.clients) {
      if (this.#silent.has(socket)) socket.terminate();
      else {
        this.#silent.add(socket);
        socket.ping();
      }
    }
  }
}

/** The upgrade as a Request of the app, a key among the protocols moved to where keys belong; null for a bad host. */
function upgradeRequest({ headers, url = "/" }: IncomingMessage): Request | null {
  const kept = new Headers();
  for (const name of ["authorization", "x-api-key", "origin", "x-request-id"]) {
    const value = headers[name];
    if (typeof value === "string") kept.set(name, value);
  }
  const protocols = (headers["sec-websocket-protocol"] ?? "").split(/\s*,\s*/);
  const key = protocols.find((protocol) => protocol.startsWith(KEY_PROTOCOL))?.slice(KEY_PROTOCOL.length);
  if (key !== undefined && !kept.has("authorization")) {
    kept.set("authorization", `Bearer ${Buffer.from(key, "base64url").toString("utf8").replace(/\s/g, "")}`);
  }
  const target = `http://${headers.host ?? ""}${url}`;
  return URL.canParse(target) ? new Request(target, { headers: kept }) : null;
}

function frameRequest({ body, method, path }: RequestFrame, upgrade: Request, signal: AbortSignal): Request {
  const headers = new Headers(upgrade.headers);
  headers.delete("x-request-id"); // each request has its own
  headers.set("content-type", "application/json");
  const init = { method: method ?? (body === undefined ? "GET" : "POST"), headers, signal };
  const url = new URL(path, upgrade.url);
  return new Request(url, init.method === "POST" ? { ...init, body: JSON.stringify(body ?? null) } : init);
}

function readFrame(text: string): z.output<typeof frame> | ApiError {
  // Two levels more: the body lies in the frame.
  const problem = findJsonProblem(text, MAX_DEPTH + 1);
  if (problem !== null)
    return badFrame(`the frame is not acceptable JSON: character ${problem.offset}: ${problem.message}`);
  const parsed = frame.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return badFrame(`the frame's ${issue!.path.join(".") || "form"} is wrong: see docs/API.md`);
}

function badFrame(message: string): ApiError {
  return new ApiError(400, message, { code: "invalid_frame" });
}

function failure(error: ApiError): object {
  return { type: "error", status: error.status, ...errorBodyOf(error, "openai", null) };
}

/** What a response is in frames. */
async function* messagesOf(response: Response): AsyncGenerator<object> {
  const { status } = response;
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
    const text = await response.text();
    const json = response.headers.get("content-type")?.includes("json");
    const body: unknown = json ? JSON.parse(text) : text;
    yield status < 400 ? { type: "response", status, body } : { ...(body as object), type: "error", status };
    return;
  }
  let pending = "";
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    const events = (pending + piece).split("\n\n");
    pending = events.pop()!;
    for (const event of events) {
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (data === undefined || data === "[DONE]") continue; // keep-alive comments: web sockets have pings
      const name = /^event: (.*)$/m.exec(event)?.[1];
      yield { type: "event", ...(name === undefined ? {} : { event: name }), data: JSON.parse(data) as unknown };
    }
  }
  yield { type: "done" };
}

function refusal(): Response {
  return Response.json({ error: { message: "not a valid request" } }, { status: 400 });
}

/** Answers in plain HTTP and ends the connection. */
async function refuse(socket: Duplex, answer: Response): Promise<void> {
  const body = await answer.text();
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const length = Buffer.byteLength(body);
  socket.end(
    `HTTP/1.1 ${answer.status} Refused\r\n${headers}content-length: ${length}\r\nconnection: close\r\n\r\n${body}`,
  );
}
