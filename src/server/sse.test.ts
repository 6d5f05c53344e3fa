import { expect, test } from "vitest";
import { ApiError, CacheFullError } from "../errors.ts";
import { sse } from "./sse.ts";

const ignore = { onCancel: () => {}, onError: () => {} };

async function* each(...events: (string | Error)[]): AsyncGenerator<string> {
  for (const event of events) {
    if (event instanceof Error) throw event;
    yield event;
  }
}

test("each event is one data line and a blank line", async () => {
  const response = await sse(each('{"a":1}', "[DONE]"), { keepAliveMs: 10_000, ...ignore });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  expect(await response.text()).toBe('data: {"a":1}\n\ndata: [DONE]\n\n');
});

test("an error before the first event is thrown, so that it gets a status of its own", async () => {
  const events = each(new CacheFullError("the cache is full"));
  await expect(sse(events, { keepAliveMs: 10_000, ...ignore })).rejects.toThrow("the cache is full");
});

test("a later error becomes an error event, is reported, and ends the stream", async () => {
  const reported: ApiError[] = [];
  const failure = new Error("secret detail");
  const response = await sse(each("1", failure), { ...ignore, keepAliveMs: 10_000, onError: (e) => reported.push(e) });
  const text = await response.text();
  expect(text).toMatch(/^data: 1\n\nevent: error\ndata: \{"error":\{.*"code":"internal_error"\}\}\n\n$/);
  expect(text).not.toContain("secret detail");
  expect(reported[0]).toBeInstanceOf(ApiError);
  expect(reported[0]?.cause).toBe(failure);
});

test("a silent stream sends its headers and comments until the event comes", async () => {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  async function* slow() {
    await released;
    yield "late";
  }
  const response = await sse(slow(), { keepAliveMs: 1, ...ignore });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader.read()).value).toBe(": keep-alive\n\n");
  expect((await reader.read()).value).toBe(": keep-alive\n\n");
  release();
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
  expect(text.replaceAll(": keep-alive\n\n", "")).toBe("data: late\n\n");
});

test("events are taken only as fast as they are read, one ahead", async () => {
  let taken = 0;
  async function* endless() {
    for (;;) yield String(taken++);
  }
  const response = await sse(endless(), { keepAliveMs: 10_000, ...ignore });
  const reader = response.body!.getReader();
  for (let i = 0; i < 3; i++) await reader.read();
  expect(taken).toBe(4);
  await reader.cancel();
});

test("a client that leaves cancels, and the events are closed", async () => {
  const log: string[] = [];
  const abort = new AbortController();
  async function* waiting() {
    try {
      yield "1";
      await new Promise((_, reject) => abort.signal.addEventListener("abort", () => reject(abort.signal.reason)));
    } finally {
      log.push("closed");
    }
  }
  const response = await sse(waiting(), { ...ignore, keepAliveMs: 10_000, onCancel: () => abort.abort() });
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  expect(log).toEqual(["closed"]);
});
