// `npm run check:load`: many streams at once for a minute on the embedded model, some of which leave at any moment. Every answer must
// be the one that the same request gets alone, no page of the cache may stay held, and the process may not grow. Not part of CI,
// where test/server/load.test.ts does the same for some hundred requests; docs/API.md has the last result.
//   node scripts/load-test.mjs [--seconds 60] [--streams 64]
import path from "node:path";
import { parseArgs } from "node:util";
import { percentile, uniform } from "../bench/peers/statistics.mjs";
import { loadJobs, runLoad } from "./load.mjs";
import { root, say } from "./run.mjs";
import { setup } from "./setup.mjs";
import { startProgram } from "./start-program.mjs";

/** Fewer places than streams, and a cache with room for a part of them: some wait. */
const FLAGS = ["--parallel", "48", "--ctx-size", "512", "--cache-memory", "8MiB"];
/** What the process may grow by, as a part of its size, from the second third of the time to the last; the first fills caches. */
const MOST_GROWTH = 0.05;
/** So that garbage is collected several times in each third. */
const HEAP = "--max-old-space-size=64";
const SAMPLE_MS = 1000;
const IDLE_MS = 10_000;

async function main() {
  const { values } = parseArgs({
    options: { seconds: { type: "string", default: "60" }, streams: { type: "string", default: "64" } },
  });
  const [seconds, streams] = [Number(values.seconds), Number(values.streams)];
  if (!(seconds >= 10) || !(streams >= 1)) throw new Error("want --seconds from 10 and --streams from 1 on");
  const code = await setup();
  if (code !== 0) return code;
  const deepts = [process.execPath, HEAP, path.join(root, "bin", "deepts.mjs")];
  const server = await startProgram([...deepts, "serve", "--port", "0", ...FLAGS]);
  try {
    say(`${streams} streams for ${seconds} s`);
    return report(await load(server.url, { seconds, streams }));
  } finally {
    await server.close();
  }
}

async function load(url, { seconds, streams }) {
  const samples = [];
  const sampler = setInterval(async () => {
    const at = (performance.now() - start) / 1000;
    const { rss, heap } = await gauges(url);
    samples.push({ at, rss, heap });
  }, SAMPLE_MS);
  const start = performance.now();
  const goesOn = () => performance.now() - start < seconds * 1000;
  const result = await runLoad(url, { jobs: loadJobs(24, 48), streams, random: uniform(1), goesOn }).finally(() =>
    clearInterval(sampler),
  );
  return { ...result, seconds: (performance.now() - start) / 1000, samples, held: await pagesHeld(url) };
}

/** Pages that are held when nothing is asked any more. */
async function pagesHeld(url) {
  const until = performance.now() + IDLE_MS;
  for (;;) {
    const { running, held } = await gauges(url);
    if ((running === 0 && held === 0) || performance.now() > until) return held;
  }
}

async function gauges(url) {
  const text = await (await fetch(`${url}/metrics`)).text();
  const value = (name) => Number(new RegExp(`^${name}(?:{[^}]*})? (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
  return {
    running: value("deepts_answers_in_progress"),
    held: value("deepts_cache_pages_held"),
    rss: value("process_resident_memory_bytes"),
    heap: value("nodejs_heap_size_used_bytes"),
  };
}

function report({ finished, left, faults, firstMs, betweenMs, seconds, samples, held }) {
  const ms = (values, share) => `${percentile(values, share).toFixed(1)} ms`;
  console.log(
    `${finished} answers complete, ${left} left by the client, ${faults.length} faults, in ${seconds.toFixed(0)} s`,
  );
  console.log(`first piece: p50 ${ms(firstMs, 0.5)}, p99 ${ms(firstMs, 0.99)}`);
  console.log(`between pieces: p50 ${ms(betweenMs, 0.5)}, p99 ${ms(betweenMs, 0.99)}, most ${ms(betweenMs, 1)}`);
  console.log(`pages of the cache still held: ${held}`);
  let grows = false;
  for (const what of ["rss", "heap"]) {
    const [before, after] = leastOf(samples, what, seconds);
    grows ||= !(after <= before * (1 + MOST_GROWTH));
    const [from, to] = [before, after].map((bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`);
    console.log(`${what}, least of the second and of the last third of the time: ${from}, ${to}`);
  }
  for (const fault of faults.slice(0, 10)) console.log(fault);
  return faults.length === 0 && held === 0 && !grows ? 0 : 1;
}

/** The least of a size in the second and in the last third of the time: what garbage collection leaves. */
function leastOf(samples, what, seconds) {
  const within = (from, to) =>
    Math.min(...samples.filter(({ at }) => at >= from && at < to).map((sample) => sample[what]));
  return [within(seconds / 3, (2 * seconds) / 3), within((2 * seconds) / 3, seconds)];
}

process.exitCode = await main().catch((error) => {
  say(error.message);
  return 1;
});
