// What docs/BENCHMARKS.md says of the stored runs of `npm run bench:serve`.
import { figure, machineOf, percent, range, table, versionsOf } from "../peers/markdown.mjs";

/** At least so many times as many tokens a second as llama-server. */
const STREAMS_GOAL = { "serve-8": 1.5 };
/** Time to the first token of the second turn, as a part of that of the first. */
const SECOND_TURN_GOAL = 0.1;

/** Rows of the goals: what, ours, theirs, result, goal, whether it is met. */
export function serveGoalRows(name, { part }) {
  return name === "second-turn" ? secondTurnRows(part) : streamRows(name, part);
}

export function isServePart(name) {
  return name.startsWith("serve-") || name === "second-turn";
}

function streamRows(name, { streams, prompt, generate, entries, against }) {
  const goal = STREAMS_GOAL[name];
  if (goal === undefined) return [];
  const theirs = entries.find(({ engine, how }) => engine === against.engine && how === against.how);
  const rate = (entry) => `${figure(entry.tokensPerSecond.median)} tokens/s`;
  const what = `${streams} streams over HTTP, ${generate} tokens behind ${prompt} each, together`;
  const ratio = `${against.ratio.toFixed(2)}x`;
  const peer = `${rate(theirs)} (llama-server \`${against.how}\`)`;
  return [[what, rate(entries[0]), peer, ratio, `>= ${goal.toFixed(1)}x`, against.ratio >= goal]];
}

function secondTurnRows({ entries: [ours] }) {
  const [first, second] = ours.promptTokens;
  const what = `Second turn of a chat, ${second} tokens, of which the first had ${first}: time to the first token`;
  const times = `${figure(ours.secondMs.median)} ms, the first turn ${figure(ours.firstMs.median)} ms`;
  const share = ours.share.median;
  const result = `${(100 * share).toFixed(1)} %`;
  return [[what, times, "", result, `< ${percent(SECOND_TURN_GOAL)}`, share < SECOND_TURN_GOAL]];
}

/** @param {Map<string, { file: string, record: object, part: object }>} newest by part */
export function serveSection(newest) {
  const found = [...newest].filter(([name]) => isServePart(name));
  if (found.length === 0) return "No run is stored yet.";
  return found
    .map(([name, one]) => {
      const { title, head, rows } = name === "second-turn" ? secondTurnTable(one.part) : streamsTable(one.part);
      const { threads, rounds, runsPerRound } = one.part;
      const runs = `${threads} threads, ${rounds} rounds of ${runsPerRound} runs ([run](../bench/results/${one.file}))`;
      return `### ${title}\n\n${machineOf(one.record)}; ${versionsOf(one.part)}; ${runs}.\n\n${table(head, rows)}`;
    })
    .join("\n\n");
}

function streamsTable({ file, streams, prompt, generate, entries }) {
  const percentiles = ({ p50, p99 }) => `${figure(p50)}, ${figure(p99)}`;
  return {
    title: `${file}, ${streams === 1 ? "one stream" : `${streams} streams`}: ${generate} tokens behind ${prompt}`,
    head: ["Server", "How", "tokens/s together", "first token, ms: p50, p99", "between tokens, ms: p50, p99"],
    rows: entries.map(({ engine, how, tokensPerSecond, firstTokenMs, betweenMs }) => [
      engine,
      how,
      range(tokensPerSecond),
      percentiles(firstTokenMs),
      percentiles(betweenMs),
    ]),
  };
}

function secondTurnTable({ file, entries }) {
  return {
    title: `${file}, two turns of one chat`,
    head: ["Server", "How", "prompts, tokens", "first token of turn 1, ms", "of turn 2, ms", "part of it"],
    rows: entries.map(({ engine, how, promptTokens, firstMs, secondMs, share }) => [
      engine,
      how,
      promptTokens.join(", "),
      range(firstMs),
      range(secondMs),
      `${(100 * share.median).toFixed(1)} %`,
    ]),
  };
}
