import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import { ApiError, DeepTsError } from "../errors.ts";
import { errorBodyOf } from "./dialects.ts";
import { errorResponse, toApiError } from "./errors.ts";
import { type WebSocketOptions, WebSockets } from "./web-socket.ts";

export interface ListenOptions {
  /** 0 takes a free one. Default 8080. */
  readonly port?: number;
  /** Address or name to listen on. Default 127.0.0.1: this machine alone. */
  readonly host?: string;
  /** Its abort closes the server, as `close` does. */
  readonly signal?: AbortSignal;
  /** How long running requests may go on after `close`, in milliseconds. Default 10 000. */
  readonly graceMs?: number;
  /** Time for the headers of a request to arrive, in milliseconds. Default 10 000. */
  readonly headersTimeoutMs?: number;
  /** Time for a whole request to arrive, in milliseconds. Default 60 000. */
  readonly requestTimeoutMs?: number;
  /** Serve HTTPS: certificate chain and private key, PEM. Default: plain HTTP. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  readonly webSockets?: WebSocketOptions;
}

export interface Listening {
  /** Without a slash at the end, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly port: number;
  /** Resolves once the last connection is gone. */
  readonly closed: Promise<void>;
  /** Takes no more requests, lets the running ones finish for `graceMs`, then cuts them off. */
  close(): Promise<void>;
}

/** How long a refused client may take to read why: cut at once, it might not; left alone, it might never close its end. */
const LINGER_MS = 1000;

interface App {
  fetch(request: Request, origin: { readonly address?: string }): Response | Promise<Response>;
}

/** Longer than the usual 60 s of proxies and clients, so that they are the ones to close an idle connection. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;

/**
 * Serves an app over HTTP/1.1.
 * @throws DeepTsError `listen_failed` when the port is taken or the address cannot be used
 */
export async function listen(app: App, options: ListenOptions = {}): Promise<Listening> {
  const { port = 8080, host = "127.0.0.1", graceMs = 10_000, signal } = options;
  const headersTimeout = options.headersTimeoutMs ?? 10_000;
  let closing: Promise<void> | null = null;
  const latest = new WeakMap<Duplex, ServerResponse>();

  const respond = getRequestListener(
    (request, { incoming }) => app.fetch(request, { address: incoming.socket.remoteAddress }),
    {
      hostname: host,
      overrideGlobalObjects: false,
      // Only what is wrong before the app sees it, such as a Host header that is no host name.
      errorHandler: (error) =>
        errorResponse(
          error instanceof Error && error.name === "RequestError"
            ? new ApiError(400, `not a valid request: ${error.message}`, { cause: error })
            : toApiError(error),
        ),
    },
  );
  const serverOptions = {
    headersTimeout,
    requestTimeout: options.requestTimeoutMs ?? 60_000,
    connectionsCheckingInterval: Math.min(5_000, headersTimeout),
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
  };
  const onRequest = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    latest.set(incoming.socket, outgoing);
    if (closing !== null) outgoing.setHeader("connection", "close");
    // A connection that falls idle while the server closes would keep it open.
    outgoing.once("close", () => {
      if (closing !== null) setImmediate(() => server.closeIdleConnections());
    });
    void respond(incoming, outgoing);
  };
  const server =
    options.tls === undefined
      ? createServer(serverOptions, onRequest)
      : tlsServer({ ...serverOptions, ...options.tls, handshakeTimeout: headersTimeout }, onRequest);
  const webSockets = new WebSockets(app, options.webSockets);
  server.on("upgrade", (incoming, socket, head) => void webSockets.upgrade(incoming, socket, head));
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const response = latest.get(socket);
    // An error in the middle of an answer would be taken for a part of it.
    const answering = response?.headersSent && !response.writableFinished;
    if (answering || error.code === "ECONNRESET" || !socket.writable) socket.destroy();
    else answerClientError(error, socket);
  });

  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });

  const closed = new Promise<void>((resolve) => server.once("close", resolve));
  const close = (): Promise<void> => {
    closing ??= (async () => {
      server.close();
      webSockets.close();
      const cut = setTimeout(() => {
        server.closeAllConnections();
        webSockets.cut();
      }, graceMs);
      await closed;
      clearTimeout(cut);
    })();
    return closing;
  };
  const onAbort = () => void close();
  if (signal?.aborted) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  void closed.then(() => signal?.removeEventListener("abort", onAbort));

  const bound = (server.address() as AddressInfo).port;
  return {
    url: `${options.tls === undefined ? "http" : "https"}://${urlHost(host)}:${bound}`,
    port: bound,
    closed,
    close,
  };
}

/** @throws DeepTsError `tls` when certificate or key cannot be used */
function tlsServer(
  options: Parameters<typeof createTlsServer>[0],
  onRequest: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
) {
  try {
    return createTlsServer(options, onRequest);
  } catch (cause) {
    const reason = `--tls-cert and --tls-key: want a PEM certificate and its private key: ${(cause as Error).message}`;
    throw new DeepTsError("tls", reason, { cause });
  }
}

function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "localhost"; // every address of this machine
  return host.includes(":") ? `[${host}]` : host;
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): DeepTsError {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${port} on ${host} is taken by another program: choose another with --port (0 takes a free one)`,
    EACCES: `port ${port} needs more rights than this process has: choose one from 1024 up with --port`,
    EADDRNOTAVAIL: `this machine has no address ${host}: choose another with --host`,
    ENOTFOUND: `the name ${host} has no address: choose another with --host`,
  };
  const reason = reasons[error.code ?? ""] ?? `cannot listen on ${host}, port ${port}: ${error.message}`;
  return new DeepTsError("listen_failed", reason, { cause: error });
}

/** What Node's parser refuses never becomes a Request. */
function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  const [status, message] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? ["431 Request Header Fields Too Large", "the headers are too large"]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? ["408 Request Timeout", "the request did not arrive in time"]
        : ["400 Bad Request", "not a valid HTTP request"];
  const body = JSON.stringify(errorBodyOf(new ApiError(Number.parseInt(status, 10), message), "openai", null));
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
