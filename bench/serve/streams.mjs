import { streamAnswer } from "../../scripts/stream-answer.mjs";
import { order } from "../peers/speed.mjs";
import { percentile, spread, uniform } from "../peers/statistics.mjs";

/** Ids of text in DeepSeek-V3's vocabulary; special tokens follow. */
const TEXT_TOKENS = 128_000;

/**
 * Measures servers on one file, round for round in fresh processes: every stream sends one prompt and reads its answer, all
 * streams at once. Prompts are the same for all servers, and none is the same as another, so that no cache of prompts helps.
 * @param {readonly import("./servers.mjs").Server[]} servers the first is compared with the others
 * @param {string} file
 * @param {Work} work
 * @param {(text: string) => void} say
 *
 * @typedef {object} Work
 * @property {number} streams
 * @property {number} places answers that a server makes at the same time
 * @property {number} prompt tokens of each, by chance
 * @property {number} generate tokens of each answer
 * @property {number} rounds
 * @property {number} repeat runs a round
 * @property {number} threads
 */
export async function measureStreams(servers, file, work, say) {
  const { streams, places, prompt, generate, rounds, repeat, threads } = work;
  const measured = new Map(servers.map((server) => [server, { runs: [], facts: null }]));
  for (let round = 0; round < rounds; round++) {
    for (const server of order(servers, round)) {
      say(`round ${round + 1} of ${rounds}: ${streams} streams, ${server.name}, ${server.how}`);
      const running = await server.start(file, { threads, places, context: prompt + generate + 16 });
      try {
        measured.get(server).facts = running.facts;
        await runStreams(running.url, { ...work, seed: 1 });
        for (let run = 0; run < repeat; run++) {
          const seed = 2 + round * repeat + run;
          measured.get(server).runs.push(await runStreams(running.url, { ...work, seed }));
        }
      } finally {
        await running.close();
      }
    }
  }
  const entries = [...measured].map(([{ name, how }, { runs, facts }]) => ({
    engine: name,
    how,
    tokensPerSecond: spread(runs.map((run) => run.tokensPerSecond)),
    firstTokenMs: percentiles(runs.flatMap((run) => run.firstTokenMs)),
    betweenMs: percentiles(runs.flatMap((run) => run.betweenMs)),
    facts,
  }));
  return { ...work, runsPerRound: repeat, entries, against: againstBest(entries) };
}

/** All streams once. */
async function runStreams(url, { streams, prompt, generate, seed }) {
  const random = uniform(seed);
  const requests = Array.from({ length: streams }, (_, stream) => ({
    prompt: Array.from({ length: prompt }, () => Math.floor(random() * TEXT_TOKENS)),
    max_tokens: generate,
    // Different tokens in each stream, so that many experts are used; what is left out of it has other defaults in each server.
    ...{ temperature: 1, top_k: 40, top_p: 1, min_p: 0, seed: seed * streams + stream, ignore_eos: true },
  }));
  const answers = await Promise.all(requests.map((body) => streamAnswer(`${url}/v1/completions`, body)));
  for (const { usage } of answers) {
    if (usage.prompt_tokens === prompt && usage.completion_tokens === generate) continue;
    throw new Error(`${url}: ${JSON.stringify(usage)}, want ${prompt} and ${generate} tokens`);
  }
  const start = Math.min(...answers.map((answer) => answer.start));
  const end = Math.max(...answers.map((answer) => answer.end));
  return {
    tokensPerSecond: (streams * generate * 1000) / (end - start),
    firstTokenMs: answers.map(({ start, pieces }) => pieces[0].at - start),
    betweenMs: answers.flatMap(({ pieces }) => pieces.slice(1).map(({ at }, i) => at - pieces[i].at)),
  };
}

function percentiles(values) {
  const [p50, p99] = [0.5, 0.99].map((share) => percentile(values, share));
  return { p50, p99, max: Math.max(...values) };
}

/** How many times as fast the first server is as the other at its best setting. */
export function againstBest([ours, ...others]) {
  const best = others.reduce((a, b) => (b.tokensPerSecond.median > a.tokensPerSecond.median ? b : a));
  const { engine, how } = best;
  return { engine, how, ratio: ours.tokensPerSecond.median / best.tokensPerSecond.median };
}
