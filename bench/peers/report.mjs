// What docs/BENCHMARKS.md says, made of the stored runs of `npm run bench:peers` and `npm run bench:serve`.
import { readdirSync, readFileSync } from "node:fs";
import { isServePart, serveGoalRows, serveSection } from "../serve/report-serve.mjs";
import { figure, machineOf, percent, range, table, versionsOf } from "./markdown.mjs";
import { median, spread } from "./statistics.mjs";

const results = new URL("../results/", import.meta.url);

const NO_RUN = "No run is stored yet.";

/** What the project promises against llama.cpp, or the peer that is named: at least so many times as fast, part for part. */
const GOALS = {
  q4: { title: "Q4_K_M", prompt: 2, generate: 1.2, bandwidth: 0.8 },
  q8: { title: "Q8_0", prompt: 3.4, generate: 1.2 },
  "q4-deep": { title: "Q4_K_M", prompt: 2, generate: 1.5 },
  "q8-deep": { title: "Q8_0", prompt: 2, generate: 1.5 },
  "wasm-q4": { title: "In a page against wllama, Q4_0, two threads", prompt: 1.3, generate: 1.3, peer: "wllama" },
  "wasm-q8": { title: "In a page against wllama, Q8_0, two threads", prompt: 1.3, generate: 1.3, peer: "wllama" },
  "wasm-q4-one": { title: "In a page against wllama, Q4_0, one thread", prompt: 1.3, generate: 1.3, peer: "wllama" },
  "wasm-q8-one": { title: "In a page against wllama, Q8_0, one thread", prompt: 1.3, generate: 1.3, peer: "wllama" },
};

/** Share of decode's speed behind DEPTHS[0] tokens that is left behind DEPTHS[1]. */
const LEFT_AT_DEPTH = 0.6;

/** Stored runs of `npm run bench:peers` and `npm run bench:serve`. */
export function storedRuns() {
  return readdirSync(results)
    .filter((file) => file.endsWith(".json"))
    .map((file) => ({ file, record: JSON.parse(readFileSync(new URL(file, results), "utf8")) }))
    .filter(({ record }) => record.parts !== undefined);
}

/**
 * Markdown by name of the section. Each part comes from the newest run that measured it.
 * @param {readonly { file: string, record: object }[]} runs
 */
export function benchmarkSections(runs) {
  const newest = new Map();
  for (const { file, record } of [...runs].sort((a, b) => (a.record.date < b.record.date ? -1 : 1))) {
    for (const [name, part] of Object.entries(record.parts)) newest.set(name, { file, record, part });
  }
  if (newest.size === 0) return { goals: NO_RUN, engines: NO_RUN, servers: NO_RUN };
  return { goals: goals(newest), engines: engines(newest), servers: serveSection(newest) };
}

function goals(newest) {
  const rows = [...newest].flatMap(([name, found]) => {
    return goalRows(name, found).map(([what, ours, theirs, result, goal, met]) => {
      const verdict = met ? ": met" : ": **missed**";
      return [what, ours, theirs, result, `${goal}${verdict}`, `[run](../bench/results/${found.file})`];
    });
  });
  return table(["What", "DeepTS", "Peer", "Result", "Goal", "From"], rows);
}

function goalRows(name, found) {
  const special = { load: loadRows, kl: klRows, depths: depthRows }[name];
  if (special) return special(found);
  return isServePart(name) ? serveGoalRows(name, found) : speedRows(name, found);
}

function speedRows(name, { part, record }) {
  const goal = GOALS[name];
  const ratio = goal && part.ratios?.find(({ engine }) => engine === (goal.peer ?? "llama.cpp"));
  if (!ratio) return [];
  const [ours] = part.entries;
  const rows = ["prompt", "generate"].map((phase) => {
    const against = ratio[phase];
    const what = `${goal.title}, ${phase === "prompt" ? "prefill" : "decode"} ${part[phase]} at ${part.depth}`;
    return [
      what,
      `${figure(ours[phase].median)} tokens/s`,
      `${figure(against.median)} tokens/s (\`${against.how}\`)`,
      `${against.ratio.toFixed(2)}x`,
      `>= ${goal[phase].toFixed(1)}x`,
      against.ratio >= goal[phase],
    ];
  });
  if (goal.bandwidth) {
    const share = (ours.generate.median * ours.facts.activeBytes) / record.machineSpeed.read;
    const read = `${figure((ours.generate.median * ours.facts.activeBytes) / 1e9)} GB/s of weights and cache`;
    const limit = `the memory gives ${figure(record.machineSpeed.read / 1e9)} GB/s`;
    const met = share >= goal.bandwidth;
    rows.push([`${goal.title}, decode`, read, limit, percent(share), `>= ${percent(goal.bandwidth)}`, met]);
  }
  return rows;
}

/**
 * How much of the speed behind a short context is left behind a long one. Both are compared within a round, which is one process
 * in a few minutes: from one to the next the machine itself may change by more.
 */
function depthRows({ part }) {
  const [short, long] = part.depths;
  const rounds = ({ generate: { runs } }) =>
    Array.from({ length: long.rounds }, (_, i) =>
      median(runs.slice(i * long.runsPerRound, (i + 1) * long.runsPerRound)),
    );
  return long.entries.map((entry, i) => {
    const before = rounds(short.entries[i]);
    const left = spread(rounds(entry).map((speed, round) => speed / before[round]));
    return [
      `Q4_K_M, decode ${long.generate} at ${long.depth} beside at ${short.depth}, ${entry.facts.cacheType} cache`,
      `${figure(entry.generate.median)} tokens/s`,
      `${figure(short.entries[i].generate.median)} tokens/s at ${short.depth}`,
      `${percent(left.median)} (in ${long.rounds} rounds ${percent(left.min)} to ${percent(left.max)})`,
      `>= ${percent(LEFT_AT_DEPTH)}`,
      left.median >= LEFT_AT_DEPTH,
    ];
  });
}

function loadRows({ part }) {
  return part.prompts.map(({ tokens, entries }) => {
    const [ours, theirs] = entries.map(({ seconds }) => seconds.median);
    const what = `Start, load ${part.file}, read ${tokens} token${tokens === 1 ? "" : "s"}, write one, end`;
    const ratio = ours / theirs;
    return [what, `${figure(ours)} s`, `${figure(theirs)} s`, `${ratio.toFixed(2)} of it`, "no longer", ratio <= 1];
  });
}

function klRows({ part }) {
  return part.models.map(({ file, rows, deepts, llamaCpp, difference }) => [
    `Mean KL from exact logits, ${file}, ${rows} rows`,
    interval(deepts),
    interval(llamaCpp),
    `difference ${interval(difference)}`,
    "no larger",
    deepts.mean <= llamaCpp.mean,
  ]);
}

function engines(newest) {
  const sections = [...newest]
    .filter(([, { part }]) => part.entries?.[0]?.prompt)
    .map(([, { file, record, part }]) => {
      const rounds = `${part.threads} threads, ${part.rounds} rounds of ${part.runsPerRound} runs`;
      const rows = part.entries.map((entry) => [
        entry.engine,
        settings(entry),
        range(entry.prompt),
        range(entry.generate),
      ]);
      const head = ["Engine", "How", `prefill ${part.prompt}, tokens/s`, `decode ${part.generate}, tokens/s`];
      const title = `### ${part.file} behind ${part.depth} tokens`;
      const about = `${machineOf(record)}; ${versionsOf(part)}; ${rounds} ([run](../bench/results/${file})). Medians, least and most.`;
      return `${title}\n\n${about}\n\n${table(head, rows)}`;
    });
  return sections.join("\n\n") || "No run of speeds is stored yet.";
}

function settings({ how, facts: { numerics, cacheType, backend } }) {
  return numerics ? `${numerics} numerics, ${cacheType} cache, ${backend.device}` : `\`${how}\``;
}

function interval({ mean, low, high }) {
  return `${figure(mean)} (${figure(low)} to ${figure(high)})`;
}
