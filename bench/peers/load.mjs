import { createReadStream } from "node:fs";
import path from "node:path";
import { DEEPTS } from "./engines.mjs";
import { runProgram } from "./program.mjs";
import { order } from "./speed.mjs";
import { spread } from "./statistics.mjs";

const CONTEXT = "512";

/**
 * Seconds from the start of a program to its end when all it does is load a file that the system holds in memory and
 * generate one token: what its user waits for, of both by the same clock.
 * @param {string} file
 * @param {{ completion: string, threads: number, rounds: number, say: (text: string) => void }} options completion: llama-completion
 */
export async function measureLoad(file, { completion, threads, rounds, say }) {
  for await (const _ of createReadStream(file, { highWaterMark: 1 << 22 }));
  const model = ["--model", file, "--prompt", "a", "--threads", String(threads), "--ctx-size", CONTEXT];
  const programs = [
    { engine: "DeepTS", command: [...DEEPTS, "generate", ...model, "--max-tokens", "1"] },
    { engine: "llama.cpp", command: [completion, ...model, "--n-predict", "1", "--no-warmup", "--no-conversation"] },
  ];
  const seconds = new Map(programs.map(({ engine }) => [engine, []]));
  for (let round = 0; round < rounds; round++) {
    say(`loading, round ${round + 1} of ${rounds}`);
    for (const { engine, command } of order(programs, round)) {
      seconds.get(engine).push((await runProgram(command)).seconds);
    }
  }
  return {
    file: path.basename(file),
    threads,
    rounds,
    entries: [...seconds].map(([engine, runs]) => ({ engine, seconds: spread(runs) })),
  };
}
