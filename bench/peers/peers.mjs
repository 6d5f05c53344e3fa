// `npm run bench:peers -- [--only PART,PART]`: DeepTS beside other engines on the same files, threads and machine, in turns, and
// one JSON file of it. Close everything else first. Programs of others are named by the environment: LLAMA_BENCH (default
// ~/.cache/deepts-peers/llama.cpp/build/bin/llama-bench, with llama-completion and llama-perplexity beside it) and, where there
// is one, IK_LLAMA_BENCH.
import path from "node:path";
import { say } from "../../scripts/run.mjs";
import { deepts, ikLlamaCpp, llamaCpp } from "./engines.mjs";
import { deeptsInChromium, wllama } from "./in-chromium.mjs";
import { nodeLlamaCpp } from "./node-llama-cpp.mjs";
import { llamaProgram, runParts } from "./run-parts.mjs";
import { measureDepths, measureSpeed } from "./speed.mjs";

const START = { prompt: 512, generate: 32, depth: 0, rounds: 5, repeat: 2 };
const DEEP = { prompt: 256, generate: 16, depth: 4096, rounds: 2, repeat: 3 };
const PAGE = { prompt: 256, generate: 16, depth: 0, rounds: 2, repeat: 3 };
/** Short and long contexts, of which decoding is compared. */
const DEPTHS = [1024, 15872];
const AT_DEPTH = { prompt: 64, generate: 16, rounds: 3, repeat: 5 };
const LOAD_ROUNDS = 5;

/** What can be measured; a part is a function of the run, so that --only chooses. */
const PARTS = {
  q4: (run) => speed(run, "lite6", "Q4_K_M", START),
  q8: (run) => speed(run, "lite6", "Q8_0", START),
  "q4-deep": (run) => speed(run, "lite6", "Q4_K_M", DEEP),
  "q8-deep": (run) => speed(run, "lite6", "Q8_0", DEEP),
  depths: async (run) => {
    const file = await run.model("lite6", "Q4_K_M");
    const work = { ...AT_DEPTH, depths: DEPTHS, threads: run.threads };
    return { file: path.basename(file), depths: await measureDepths([deepts("q8_0"), deepts()], file, work, say) };
  },
  "wasm-q4": (run) => inChromium(run, "Q4_0", 2),
  "wasm-q8": (run) => inChromium(run, "Q8_0", 2),
  "wasm-q4-one": (run) => inChromium(run, "Q4_0", 1),
  "wasm-q8-one": (run) => inChromium(run, "Q8_0", 1),
  npm: async (run) => {
    const file = await run.model("lite6", "Q4_K_M");
    const measured = await measureSpeed(
      [deepts(), await nodeLlamaCpp(say)],
      file,
      { ...START, threads: run.threads },
      say,
    );
    return { file: path.basename(file), ...measured };
  },
  load: async (run) => {
    const { measureLoad } = await import("./load.mjs");
    const file = await run.model("lite6", "Q4_K_M");
    return measureLoad(file, {
      completion: llamaProgram("llama-completion"),
      threads: run.threads,
      rounds: LOAD_ROUNDS,
      say,
    });
  },
  kl: async (run) => {
    const { measureKl } = await import("./kl.mjs");
    const files = [run.embedded(), await run.model("lite6", "Q4_K_M"), await run.model("lite6", "Q8_0")];
    const options = { perplexity: llamaProgram("llama-perplexity"), threads: run.threads, say };
    const models = [];
    for (const file of files) models.push({ file: path.basename(file), ...(await measureKl(file, options)) });
    return { models };
  },
  quantize: async (run) => {
    const { measureErrors } = await import("./quantize.mjs");
    return measureErrors(run.embedded(), { quantize: llamaProgram("llama-quantize"), threads: run.threads, say });
  },
  files: async (run) => {
    const { measureFiles } = await import("./quantize.mjs");
    const [completion, perplexity] = [llamaProgram("llama-completion"), llamaProgram("llama-perplexity")];
    return measureFiles(run.embedded(), { completion, perplexity, threads: run.threads, say });
  },
};

/** Left out unless asked for: those with much to read before they measure; quality, which no other load disturbs. */
const ONLY_IF_NAMED = ["q8-deep", "depths", "quantize", "files"];

async function speed(run, name, type, work) {
  const ik = process.env.IK_LLAMA_BENCH;
  // Its llama-bench knows no depth.
  const asked = ik && work.depth === 0 ? [ikLlamaCpp(ik)] : [];
  const engines = [deepts(), ...llamaCpp(llamaProgram("llama-bench")), ...asked];
  const file = await run.model(name, type);
  return { file: path.basename(file), ...(await measureSpeed(engines, file, { ...work, threads: run.threads }, say)) };
}

async function inChromium(run, type, threads) {
  const file = await run.model("lite2", type);
  const engines = [deeptsInChromium(), ...(await wllama(say))];
  return { file: path.basename(file), ...(await measureSpeed(engines, file, { ...PAGE, threads }, say)) };
}

process.exitCode = await runParts("bench:peers", PARTS, ONLY_IF_NAMED);
