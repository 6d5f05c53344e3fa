import { expect, test } from "vitest";
import { readEvents } from "./events.ts";

function bodyOf(pieces: readonly Uint8Array[], onCancel = () => {}): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      if (next < pieces.length) controller.enqueue(pieces[next++]!);
      else controller.close();
    },
    cancel: onCancel,
  });
}

const bytes = (text: string) => new TextEncoder().encode(text);

async function read(...pieces: Uint8Array[]): Promise<string[]> {
  const events: string[] = [];
  for await (const event of readEvents(bodyOf(pieces))) events.push(event);
  return events;
}

const STREAM =
  'data: {"a": "übel 🦊"}\n\n: keep-alive\n\nevent: error\r\ndata:one\r\ndata: two\r\n\r\ndata: last\r\rdata: cut off';
const EVENTS = ['{"a": "übel 🦊"}', "one\ntwo", "last"];

test("events come whole, wherever the bytes are cut", async () => {
  const all = bytes(STREAM);
  expect(await read(all)).toEqual(EVENTS);
  for (let at = 1; at < all.length; at++) {
    expect(await read(all.slice(0, at), all.slice(at)), `cut at ${at}`).toEqual(EVENTS);
  }
  expect(await read(...Array.from(all, (byte) => Uint8Array.of(byte)))).toEqual(EVENTS);
});

test("a reader that leaves cancels the stream", async () => {
  let cancelled = false;
  const body = bodyOf([bytes("data: 1\n\n"), bytes("data: 2\n\n")], () => {
    cancelled = true;
  });
  for await (const _ of readEvents(body)) break;
  expect(cancelled).toBe(true);
});

test("a stream that fails says why", async () => {
  const body = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error("reset")) });
  await expect(readEvents(body).next()).rejects.toThrow("reset");
});
