import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ApiError, CacheFullError } from "../errors.ts";
import { PagePool } from "./page-pool.ts";

/** Lets every promise that can settle do so. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Records the order in which promises fulfil. */
function watch() {
  const served: string[] = [];
  const pages = new Map<string, Int32Array>();
  const follow = (name: string, promise: Promise<Int32Array>) => {
    promise.then(
      (granted) => {
        served.push(name);
        pages.set(name, granted);
      },
      () => served.push(`${name} refused`),
    );
  };
  return { served, pages, follow };
}

describe("a page pool", () => {
  it("hands out every page once, the lowest first", async () => {
    const pool = new PagePool(4, 1);
    expect([...(await pool.acquire(3))].sort()).toEqual([0, 1, 2]);
    expect([...(await pool.acquire(1))]).toEqual([3]);
    expect(pool.available).toBe(0);
  });

  it("serves in order of arrival: a small request does not pass a large one", async () => {
    const pool = new PagePool(4, 8);
    const held = await pool.acquire(3);
    const { served, follow } = watch();
    follow("large", pool.acquire(4));
    follow("small", pool.acquire(1));
    await settle();
    expect(served).toEqual([]);
    expect([pool.available, pool.waiting]).toEqual([1, 2]);
    pool.release(held);
    await settle();
    expect(served).toEqual(["large"]);
  });

  it("serves as many as fit when pages come back", async () => {
    const pool = new PagePool(4, 8);
    const held = await pool.acquire(4);
    const { served, follow } = watch();
    for (const name of ["a", "b", "c"]) follow(name, pool.acquire(2));
    pool.release(held);
    await settle();
    expect(served).toEqual(["a", "b"]);
    expect(pool.waiting).toBe(1);
  });

  it("lets the next one through when the first in the queue gives up", async () => {
    const pool = new PagePool(4, 8);
    await pool.acquire(3);
    const { served, follow } = watch();
    const abort = new AbortController();
    follow("large", pool.acquire(4, abort.signal));
    follow("small", pool.acquire(1));
    abort.abort();
    await settle();
    expect(served).toEqual(["large refused", "small"]);
    expect([pool.available, pool.waiting]).toEqual([0, 0]);
  });

  it("ends waiting with the signal's reason", async () => {
    const pool = new PagePool(1, 8);
    await pool.acquire(1);
    const abort = new AbortController();
    const waiting = pool.acquire(1, abort.signal);
    abort.abort(new Error("the client left"));
    await expect(waiting).rejects.toThrow("the client left");
    await expect(pool.acquire(1, abort.signal)).rejects.toThrow("the client left");
    expect(pool.waiting).toBe(0);
  });

  it("takes no notice of a signal that aborts after the pages were granted", async () => {
    const pool = new PagePool(2, 8);
    const [first, second] = [await pool.acquire(1), await pool.acquire(1)];
    const abort = new AbortController();
    const granted = pool.acquire(1, abort.signal);
    const behind = pool.acquire(1);
    pool.release(first);
    await expect(granted).resolves.toEqual(first);
    abort.abort();
    expect([pool.available, pool.waiting]).toEqual([0, 1]);
    pool.release(second);
    await expect(behind).resolves.toEqual(second);
  });

  it("refuses at once what it could never hold", async () => {
    const pool = new PagePool(4, 0);
    await expect(pool.acquire(5)).rejects.toThrow(CacheFullError);
    await expect(pool.acquire(5)).rejects.toThrow("5 cache pages wanted, but there are only 4");
  });

  it("refuses with 503 when too many wait", async () => {
    const pool = new PagePool(1, 1);
    await pool.acquire(1);
    void pool.acquire(1);
    const refused = pool.acquire(1);
    await expect(refused).rejects.toThrow(ApiError);
    await expect(refused).rejects.toMatchObject({ status: 503, code: "queue_full" });
  });

  it("never loses a page, gives one out twice or starves anyone, whatever happens", async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("acquire" as const), count: fc.integer({ min: 1, max: 7 }) }),
      fc.record({ kind: fc.constant("release" as const), which: fc.nat() }),
      fc.record({ kind: fc.constant("abort" as const), which: fc.nat() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const [size, maxWaiting] = [6, 3];
        const pool = new PagePool(size, maxWaiting);
        const held: Int32Array[] = [];
        const waiting: { abort: AbortController; count: number }[] = []; // the model's queue
        const arrived: number[] = [];
        const granted: number[] = [];
        let arrivals = 0;
        for (const action of steps) {
          if (action.kind === "acquire") {
            const abort = new AbortController();
            const entry = { abort, count: action.count };
            const number = arrivals++;
            const full = waiting.length >= maxWaiting;
            const fits = waiting.length === 0 && action.count <= pool.available;
            if (action.count <= size && !fits && !full) waiting.push(entry);
            if (action.count <= size && (fits || !full)) arrived.push(number);
            pool.acquire(action.count, abort.signal).then(
              (pages) => {
                held.push(pages);
                granted.push(number);
                if (waiting.includes(entry)) waiting.splice(waiting.indexOf(entry), 1);
              },
              () => {
                if (waiting.includes(entry)) waiting.splice(waiting.indexOf(entry), 1);
                if (arrived.includes(number)) arrived.splice(arrived.indexOf(number), 1);
              },
            );
          } else if (action.kind === "release" && held.length > 0) {
            pool.release(held.splice(action.which % held.length, 1)[0]!);
          } else if (action.kind === "abort" && waiting.length > 0) {
            waiting[action.which % waiting.length]!.abort.abort();
          }
          await settle();
          const out = held.flatMap((pages) => [...pages]);
          expect(new Set(out).size).toBe(out.length);
          expect(out.every((page) => page >= 0 && page < size)).toBe(true);
          expect(pool.available + out.length).toBe(size);
          expect(pool.waiting).toBe(waiting.length);
          if (waiting.length > 0) expect(waiting[0]!.count).toBeGreaterThan(pool.available);
        }
        while (held.length > 0) {
          pool.release(held.pop()!);
          await settle();
        }
        expect([pool.available, pool.waiting]).toEqual([size, 0]);
        expect(granted).toEqual(arrived);
      }),
      { numRuns: 100, seed: 11 },
    );
  });
});
