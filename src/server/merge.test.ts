import { expect, test } from "vitest";
import { merge, type Source } from "./merge.ts";

const never = new AbortController().signal;

function counting(count: number, log: string[] = [], name = ""): Source<number> {
  return async function* () {
    log.push(`${name} starts`);
    for (let i = 0; i < count; i++) yield i;
    log.push(`${name} ends`);
  };
}

/** Yields once, then waits for its signal. */
function waiting(stopped: string[], name: string): Source<number> {
  return async function* (signal) {
    try {
      yield 0;
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    } finally {
      stopped.push(name);
    }
  };
}

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

test("every value of every source comes once, in the order of its source", async () => {
  const merged = await collect(merge([counting(3), counting(0), counting(5)], { width: 8, signal: never }));
  expect(merged.filter(({ index }) => index === 0).map(({ value }) => value)).toEqual([0, 1, 2]);
  expect(merged.filter(({ index }) => index === 2).map(({ value }) => value)).toEqual([0, 1, 2, 3, 4]);
  expect(merged).toHaveLength(8);
});

test("no more sources run at a time than the width", async () => {
  const log: string[] = [];
  await collect(
    merge([counting(2, log, "a"), counting(2, log, "b"), counting(1, log, "c")], { width: 1, signal: never }),
  );
  expect(log).toEqual(["a starts", "a ends", "b starts", "b ends", "c starts", "c ends"]);
});

test("a failure stops the other sources and is thrown", async () => {
  const stopped: string[] = [];
  const failing: Source<number> = async function* () {
    yield 1;
    throw new Error("broken");
  };
  const merged = merge([waiting(stopped, "a"), failing, waiting(stopped, "c")], { width: 8, signal: never });
  await expect(collect(merged)).rejects.toThrow("broken");
  expect(stopped.sort()).toEqual(["a", "c"]);
});

test("a consumer that leaves stops all sources", async () => {
  const stopped: string[] = [];
  for await (const _ of merge([waiting(stopped, "a"), waiting(stopped, "b")], { width: 8, signal: never })) break;
  expect(stopped.sort()).toEqual(["a", "b"]);
});

test("an abort of the outer signal reaches the sources with its reason", async () => {
  const abort = new AbortController();
  const stopped: string[] = [];
  const merged = merge([waiting(stopped, "a")], { width: 8, signal: abort.signal });
  await merged.next();
  const next = merged.next();
  abort.abort(new Error("gone"));
  await expect(next).rejects.toThrow("gone");
  expect(stopped).toEqual(["a"]);
});
