import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ByteSource } from "./byte-source.ts";
import { openUrl, urlFolder } from "./url-source.ts";

const SIZE = 2 ** 20;
const CONTENTS = Uint8Array.from({ length: SIZE }, (_, i) => i % 251);

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server as the standard wants it. */
const ranges: Answer = (request, response) => {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range!)!;
  const [start, end] = [Number(first), Math.min(Number(last) + 1, SIZE)];
  response.writeHead(206, { "content-range": `bytes ${start}-${end - 1}/${SIZE}`, etag: '"1"' });
  response.end(CONTENTS.subarray(start, end));
};

let server: Server;
let url: URL;
let answer: Answer;
const asked: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.range ?? "whole"}`);
    answer(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/models/a.gguf?key=1`);
});
afterAll(() => server.close());
beforeEach(() => {
  asked.length = 0;
  answer = ranges;
});

/** As buffers: comparing large arrays element by element takes seconds. */
async function expectRead(source: ByteSource, offset: number, length: number): Promise<void> {
  const want = Buffer.from(CONTENTS.buffer, offset, length);
  expect(want.equals(await source.read(offset, length)), `${length} bytes at ${offset}`).toBe(true);
}

describe("openUrl", () => {
  it("fetches only the ranges that are read, and short ones in blocks", async () => {
    const source = await openUrl(url);
    expect(source).toMatchObject({ name: url.href, size: SIZE });
    await expectRead(source, 5, 3);
    await expectRead(source, 500_000, 400_000);
    await expectRead(source, 300_000, 10);
    await expectRead(source, 562_134, 10);
    await expectRead(source, SIZE - 1, 1);
    await expectRead(source, SIZE, 0);
    const place = "GET /models/a.gguf?key=1 bytes=";
    expect(asked).toEqual(
      ["0-262143", "500000-899999", "300000-562143", `${SIZE - 1}-${SIZE - 1}`].map((r) => place + r),
    );
    await expect(source.read(SIZE, 1)).rejects.toThrow(/has 1048576 bytes/);
  });

  it("takes the whole file from a server without ranges", async () => {
    answer = (_request, response) => response.end(CONTENTS);
    const source = await openUrl(url);
    await expectRead(source, 500_000, 400_000);
    expect(asked).toHaveLength(1);
  });

  it.for<[what: string, answer: Answer, says: RegExp]>([
    ["a file that is not there", (_request, response) => response.writeHead(404).end(), /a\.gguf.*HTTP status 404/],
    ["an empty file", (_request, response) => response.writeHead(416).end(), /HTTP status 416/],
    ["a server that hides the length", (_request, response) => response.writeHead(206).end("x"), /Expose-Headers/],
    ["a server that hangs up", (_request, response) => response.destroy(), /cannot be fetched.*CORS/],
  ])("refuses %s", async ([, wrong, says]) => {
    answer = wrong;
    await expect(openUrl(url)).rejects.toMatchObject({ code: "format", message: expect.stringMatching(says) });
  });

  it.for<[what: string, answer: Answer, says: RegExp]>([
    ["changes its length", change({ "content-range": "bytes 0-1/9", etag: '"1"' }), /changed while it was read/],
    ["changes its version", change({ "content-range": `bytes 0-1/${SIZE}`, etag: '"2"' }), /changed while it was read/],
    ["comes cut off", change({ "content-range": `bytes 0-1/${SIZE}`, etag: '"1"' }), /400000 bytes wanted, but 2 came/],
    ["disappears", (_request, response) => response.writeHead(410).end(), /HTTP status is 410/],
  ])("says that a file %s while it is read", async ([, wrong, says]) => {
    const source = await openUrl(url);
    answer = wrong;
    await expect(source.read(500_000, 400_000)).rejects.toMatchObject({
      code: "format",
      message: expect.stringMatching(says),
    });
  });

  it("stops when the caller does", async () => {
    const controller = new AbortController();
    const source = await openUrl(url, controller.signal);
    answer = () => controller.abort(new Error("enough"));
    await expect(source.read(500_000, 400_000)).rejects.toThrow("enough");
  });
});

describe("urlFolder", () => {
  it("finds a file's neighbours by the same query", async () => {
    answer = (_request, response) => response.writeHead(_request.url!.includes("b.gguf") ? 200 : 404).end();
    const folder = urlFolder(url);
    expect(folder.name).toMatch(/\/models\/$/);
    expect([await folder.has("b.gguf"), await folder.has("c.gguf")]).toEqual([true, false]);
    answer = ranges;
    await folder.open("a.gguf");
    expect(asked).toEqual([
      "HEAD /models/b.gguf?key=1 whole",
      "HEAD /models/c.gguf?key=1 whole",
      "GET /models/a.gguf?key=1 bytes=0-262143",
    ]);
  });
});

function change(headers: Record<string, string>): Answer {
  return (_request, response) => response.writeHead(206, headers).end("xx");
}
