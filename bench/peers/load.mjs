import { createReadStream } from "node:fs";
import path from "node:path";
import { DEEPTS } from "./engines.mjs";
import { runProgram } from "./program.mjs";
import { order } from "./speed.mjs";
import { spread } from "./statistics.mjs";
import { wordsOf } from "./words.mjs";

const CONTEXT = "1024";
/** Tokens of the prompts: one, and enough for every expert to be chosen, since DeepTS packs an expert when it is. */
const PROMPTS = [1, 500];
/** Neighbours in a prompt are far from one another in the vocabulary. */
const SPREAD = 7919;

/**
 * Seconds from the start of a program to its end when all it does is load a file that the system holds in memory, read a
 * prompt and generate one token: what its user waits for, of both by the same clock.
 * @param {string} file
 * @param {{ completion: string, threads: number, rounds: number, say: (text: string) => void }} options completion: llama-completion
 */
export async function measureLoad(file, options) {
  for await (const _ of createReadStream(file, { highWaterMark: 1 << 22 }));
  const words = await wordsOf(file);
  const prompts = [];
  for (const tokens of PROMPTS) {
    const prompt = Array.from({ length: tokens }, (_, i) => words[(i * SPREAD) % words.length]).join("");
    const entries = await measurePrompt(file, prompt, options);
    prompts.push({ tokens, entries });
  }
  return { file: path.basename(file), threads: options.threads, rounds: options.rounds, prompts };
}

async function measurePrompt(file, prompt, { completion, threads, rounds, say }) {
  const model = ["--model", file, "--prompt", prompt, "--threads", String(threads), "--ctx-size", CONTEXT];
  const programs = [
    { engine: "DeepTS", command: [...DEEPTS, "generate", ...model, "--raw", "--max-tokens", "1"] },
    { engine: "llama.cpp", command: [completion, ...model, "--n-predict", "1", "--no-warmup", "--no-conversation"] },
  ];
  const seconds = new Map(programs.map(({ engine }) => [engine, []]));
  for (let round = 0; round < rounds; round++) {
    say(`loading, round ${round + 1} of ${rounds}`);
    for (const { engine, command } of order(programs, round)) {
      seconds.get(engine).push((await runProgram(command)).seconds);
    }
  }
  return [...seconds].map(([engine, runs]) => ({ engine, seconds: spread(runs) }));
}
