// A server of files for pages in a browser: test/browser/, bench/peers/in-chromium.mjs.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** Serves folders on a port of its own; static-server.d.mts says more. */
export async function serveFiles(folders, { isolated = false, ranges = true } = {}) {
  const log = [];
  const server = createServer((request, response) => {
    if (isolated) {
      response.setHeader("cross-origin-opener-policy", "same-origin");
      response.setHeader("cross-origin-embedder-policy", "require-corp");
    }
    void answer(folders, request, response, ranges).then((bytes) =>
      log.push({ path: request.url, status: response.statusCode, bytes }),
    );
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    log,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

/** @returns the bytes of the body */
async function answer(folders, request, response, ranges) {
  const { pathname } = new URL(request.url, "http://localhost");
  const prefix = Object.keys(folders).find((name) => pathname.startsWith(name));
  const rest = pathname.slice(prefix?.length) || "index.html";
  const file = prefix === undefined ? null : path.join(folders[prefix], rest);
  const info = file === null ? null : await stat(file).catch(() => null);
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
