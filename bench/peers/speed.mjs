import { spread } from "./statistics.mjs";

/** Whose turn it is: each round goes the other way, so that no engine always runs after the same one. */
export function order(engines, round) {
  return round % 2 === 0 ? engines : [...engines].reverse();
}

/**
 * Measures engines on one file, round for round in fresh processes.
 * @param {import("./engines.mjs").Engine[]} engines the first is compared with the others
 * @param {string} file
 * @param {{ prompt: number, generate: number, depth: number, rounds: number, repeat: number, threads: number }} work
 * @param {(text: string) => void} say
 */
export async function measureSpeed(engines, file, { rounds, ...work }, say) {
  const measured = new Map(engines.map((engine) => [engine, []]));
  for (let round = 0; round < rounds; round++) {
    for (const engine of order(engines, round)) {
      say(`round ${round + 1} of ${rounds}: ${engine.name}, ${engine.how}`);
      measured.get(engine).push(await engine.measure(file, work));
    }
  }
  const entries = entriesOf(measured);
  const { prompt, generate, depth, repeat, threads } = work;
  return { prompt, generate, depth, threads, rounds, runsPerRound: repeat, entries, ratios: ratiosOf(entries) };
}

/**
 * Measures several depths of one file, all of a round in one process, so that they can be compared.
 * @param {import("./engines.mjs").Engine[]} engines those that have `measureDepths`
 * @param {string} file
 * @param {{ prompt: number, generate: number, depths: number[], rounds: number, repeat: number, threads: number }} work
 * @param {(text: string) => void} say
 */
export async function measureDepths(engines, file, { rounds, ...work }, say) {
  const measured = work.depths.map(() => new Map(engines.map((engine) => [engine, []])));
  for (let round = 0; round < rounds; round++) {
    for (const engine of order(engines, round)) {
      say(`round ${round + 1} of ${rounds}: ${engine.name}, ${engine.how}`);
      for (const [i, one] of (await engine.measureDepths(file, work)).entries()) measured[i].get(engine).push(one);
    }
  }
  const { prompt, generate, depths, repeat, threads } = work;
  const how = { prompt, generate, threads, rounds, runsPerRound: repeat };
  return depths.map((depth, i) => ({ ...how, depth, entries: entriesOf(measured[i]) }));
}

function entriesOf(measured) {
  return [...measured].map(([{ name, how }, list]) => ({
    engine: name,
    how,
    prompt: spread(list.flatMap((one) => one.prompt)),
    generate: spread(list.flatMap((one) => one.generate)),
    facts: list[0].facts,
    ...(list[0].observed ? { observed: list.map(({ observed }) => observed) } : {}),
  }));
}

/**
 * How many times as fast the first entry is as each other engine at its best: an engine with several settings counts in
 * each phase with the faster one.
 */
export function ratiosOf([ours, ...others]) {
  const names = [...new Set(others.map(({ engine }) => engine))];
  return names.map((engine) => {
    const against = (phase) => {
      const settings = others.filter((entry) => entry.engine === engine);
      const best = settings.reduce((a, b) => (b[phase].median > a[phase].median ? b : a));
      return { how: best.how, median: best[phase].median, ratio: ours[phase].median / best[phase].median };
    };
    return { engine, prompt: against("prompt"), generate: against("generate") };
  });
}
