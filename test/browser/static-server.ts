import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const FOLDERS = ["/dist/", "/build/wasm/", "/models/", "/examples/browser/", "/test/browser/"];
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

export interface Served {
  readonly path: string;
  readonly status: number;
  /** Of the body. */
  readonly bytes: number;
}

export interface StaticServer {
  readonly url: string;
  /** What has been answered, in order. */
  readonly log: Served[];
  close(): Promise<void>;
}

export interface ServerOptions {
  /** Whether its pages are cross-origin isolated. */
  readonly isolated?: boolean;
  /** Whether it answers ranges. Default true. */
  readonly ranges?: boolean;
}

/** Serves what a user of the package would: the build, the modules, the models, and the tests' own pages. */
export async function serveFiles({ isolated = false, ranges = true }: ServerOptions = {}): Promise<StaticServer> {
  const log: Served[] = [];
  const server = createServer((request, response) => {
    if (isolated) {
      response.setHeader("cross-origin-opener-policy", "same-origin");
      response.setHeader("cross-origin-embedder-policy", "require-corp");
    }
    void answer(request, response, ranges).then((bytes) =>
      log.push({ path: request.url!, status: response.statusCode, bytes }),
    );
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

/** @returns the bytes of the body */
async function answer(request: IncomingMessage, response: ServerResponse, ranges: boolean): Promise<number> {
  const { pathname } = new URL(request.url!, "http://localhost");
  const file = path.join(root, pathname.endsWith("/") ? `${pathname}index.html` : pathname);
  const info = FOLDERS.some((folder) => pathname.startsWith(folder)) ? await stat(file).catch(() => null) : null;
  if (!info?.isFile()) {
    response.writeHead(404).end();
    return 0;
  }
  response.setHeader("content-type", TYPES[path.extname(file)] ?? "application/octet-stream");
  const range = ranges ? /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") : null;
  const start = range ? Number(range[1]) : 0;
  const end = range ? Math.min(Number(range[2]), info.size - 1) : info.size - 1;
  response.setHeader("content-length", end + 1 - start);
  if (range) response.setHeader("content-range", `bytes ${start}-${end}/${info.size}`);
  response.writeHead(range ? 206 : 200);
  createReadStream(file, { start, end }).pipe(response);
  return end + 1 - start;
}
