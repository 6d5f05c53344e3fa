import { expect, it } from "vitest";
import { uniform } from "../../bench/peers/statistics.mjs";
import { loadJobs, runLoad } from "../../scripts/load.mjs";
import { loadModel } from "../../src/node.ts";
import { openServer } from "./start-server.ts";

/** The short form of `npm run check:load`: counted by requests, not by time. */
const REQUESTS = 160;

it("64 streams, of which some leave, get what each would get alone, and no page stays held", async () => {
  // The cache has room for a part of them: the others wait.
  const { engine, close } = await loadModel(undefined, { contextSize: 512, parallel: 32, cacheMemory: 2 ** 21 });
  const server = await openServer(engine, {});
  try {
    const load = { jobs: loadJobs(12, 24), streams: 64, random: uniform(1), goesOn: (n: number) => n < REQUESTS };
    const { faults, finished, left } = await runLoad(server.url, load);
    expect(faults).toEqual([]);
    expect(finished + left).toBe(REQUESTS);
    expect(left).toBeGreaterThan(REQUESTS / 8);
    await expect.poll(() => engine.activity).toMatchObject({ running: 0, waiting: 0 });
    const { available, total } = engine.activity.pages;
    expect(available).toBe(total);
  } finally {
    await server.close();
    await close();
  }
}, 60_000);
