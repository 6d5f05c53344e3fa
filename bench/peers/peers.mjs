// `npm run bench:peers -- [--only PART,PART]`: DeepTS beside other engines on the same files, threads and machine, in turns, and
// one JSON file of it. Close everything else first. Programs of others are named by the environment: LLAMA_BENCH (default
// ~/.cache/deepts-peers/llama.cpp/build/bin/llama-bench, with llama-completion and llama-perplexity beside it) and, where there
// is one, IK_LLAMA_BENCH.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { root, say } from "../../scripts/run.mjs";
import { setup } from "../../scripts/setup.mjs";
import { DEEPTS, deepts, ikLlamaCpp, llamaCpp } from "./engines.mjs";
import { deeptsInChromium, wllama } from "./in-chromium.mjs";
import { nodeLlamaCpp } from "./node-llama-cpp.mjs";
import { runProgram } from "./program.mjs";
import { measureSpeed } from "./speed.mjs";
import { median } from "./statistics.mjs";

const START = { prompt: 512, generate: 32, depth: 0, rounds: 3, repeat: 2 };
const DEEP = { prompt: 256, generate: 16, depth: 4096, rounds: 2, repeat: 3 };
const PAGE = { prompt: 256, generate: 16, depth: 0, rounds: 2, repeat: 3 };
/** Short and long contexts, of which decoding is compared. */
const DEPTHS = [1024, 15872];
const AT_DEPTH = { prompt: 64, generate: 16, rounds: 1, repeat: 5 };
const LOAD_ROUNDS = 5;

/** What can be measured; a part is a function of the run, so that --only chooses. */
const PARTS = {
  q4: (run) => speed(run, "lite6", "Q4_K_M", START),
  q8: (run) => speed(run, "lite6", "Q8_0", START),
  "q4-deep": (run) => speed(run, "lite6", "Q4_K_M", DEEP),
  "q8-deep": (run) => speed(run, "lite6", "Q8_0", DEEP),
  depths: async (run) => {
    const file = await run.model("lite6", "Q4_K_M");
    const engines = [deepts("q8_0"), deepts()];
    const depths = [];
    for (const depth of DEPTHS) {
      depths.push(await measureSpeed(engines, file, { ...AT_DEPTH, depth, threads: run.threads }, say));
    }
    return { file: path.basename(file), depths };
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
      completion: beside("llama-completion"),
      threads: run.threads,
      rounds: LOAD_ROUNDS,
      say,
    });
  },
  kl: async (run) => {
    const { measureKl } = await import("./kl.mjs");
    const files = [run.embedded(), await run.model("lite6", "Q4_K_M"), await run.model("lite6", "Q8_0")];
    const options = { perplexity: beside("llama-perplexity"), threads: run.threads, say };
    const models = [];
    for (const file of files) models.push({ file: path.basename(file), ...(await measureKl(file, options)) });
    return { models };
  },
  quantize: async (run) => {
    const { measureErrors } = await import("./quantize.mjs");
    return measureErrors(run.embedded(), { quantize: beside("llama-quantize"), threads: run.threads, say });
  },
  files: async (run) => {
    const { measureFiles } = await import("./quantize.mjs");
    const [completion, perplexity] = [beside("llama-completion"), beside("llama-perplexity")];
    return measureFiles(run.embedded(), { completion, perplexity, threads: run.threads, say });
  },
};

/** Left out unless asked for: those with much to read before they measure; quality, which no other load disturbs. */
const ONLY_IF_NAMED = new Set(["q8-deep", "depths", "quantize", "files"]);

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    threads: { type: "string" },
    models: { type: "string", default: path.join(root, ".cache", "bench-models") },
    out: { type: "string" },
    help: { type: "boolean" },
  },
});

async function main() {
  if (values.help) {
    console.log(
      `usage: npm run bench:peers -- [--only PART,...] [--threads N] [--models FOLDER] [--out FILE.json]
parts: ${Object.keys(PARTS).join(", ")}; all but ${[...ONLY_IF_NAMED].join(", ")} without --only
models: made in FOLDER (default .cache/bench-models) where they are missing, 6 GB
out: default bench/results/<date>-<machine>-peers.json, written anew after each part`,
    );
    return 0;
  }
  const wanted = values.only?.split(",") ?? Object.keys(PARTS).filter((part) => !ONLY_IF_NAMED.has(part));
  const unknown = wanted.find((part) => !Object.hasOwn(PARTS, part));
  if (unknown !== undefined)
    throw new Error(`--only: no part ${unknown}; want some of ${Object.keys(PARTS).join(", ")}`);
  if (values.threads !== undefined && !/^[1-9]\d{0,2}$/.test(values.threads)) {
    throw new Error(`--threads: want a number of threads, got ${values.threads}`);
  }
  const code = await setup({ wasm: wanted.some((part) => part.startsWith("wasm")) });
  if (code !== 0) return code;
  const run = await openRun(wanted);
  for (const part of wanted) {
    say(`part ${part}`);
    run.record.parts[part] = await PARTS[part](run);
    await run.save();
  }
  say(`wrote ${path.relative(process.cwd(), run.out)}`);
  return 0;
}

/** The record of this run, and the models it measures. */
async function openRun(wanted) {
  const { circumstances, modelFacts } = await import("../../dist/cli/measured-run.mjs");
  const { embeddedModelPath, openBackend, openModel } = await import("../../dist/node.mjs");
  const backend = await openBackend("cpu", values.threads ? { threads: Number(values.threads) } : {});
  const { threads } = backend.describe();
  backend.close();
  const about = await circumstances();
  const chosen = [
    ...(values.only ? ["--only", values.only] : []),
    ...(values.threads ? ["--threads", values.threads] : []),
  ];
  const record = {
    ...about,
    command: ["npm run bench:peers", ...(chosen.length > 0 ? ["--", ...chosen] : [])].join(" "),
    threads,
    machineSpeed: null,
    models: {},
    parts: {},
  };
  const machine = about.machine.cpu.toLowerCase().replace(/\W+/g, "-").replace(/^-|-$/g, "");
  const id = values.only === undefined ? "peers" : `peers-${wanted.join("-")}`;
  const out = values.out ?? path.join(root, "bench", "results", `${about.date.slice(0, 10)}-${machine}-${id}.json`);
  const files = new Set();
  const use = (file) => {
    files.add(file);
    return file;
  };
  return {
    record,
    threads,
    out,
    embedded: () => use(embeddedModelPath()),
    model: async (name, type) => use(await syntheticModel(name, type)),
    async save() {
      for (const file of files) {
        if (record.models[path.basename(file)]) continue;
        const { checkpoint } = await openModel(file);
        record.models[path.basename(file)] = await modelFacts(file, checkpoint, new AbortController().signal);
        await checkpoint.close();
      }
      record.machineSpeed = machineSpeedOf(record.parts);
      writeFileSync(out, `${JSON.stringify(record, null, 1)}\n`);
    },
  };
}

/** Medians of what was measured in each process of DeepTS. */
function machineSpeedOf(parts) {
  const observed = Object.values(parts)
    .flatMap(({ entries = [] }) => entries.flatMap((entry) => entry.observed ?? []))
    .map(({ machineSpeed }) => machineSpeed);
  if (observed.length === 0) return null;
  return Object.fromEntries(
    ["read", "copy", "flops"].map((what) => [what, Math.round(median(observed.map((speed) => speed[what])))]),
  );
}

async function syntheticModel(name, type) {
  const file = path.join(values.models, `${name}-${type}.gguf`);
  if (existsSync(file)) return file;
  say(`writing ${path.basename(file)}`);
  mkdirSync(values.models, { recursive: true });
  const nothing = ["--prompt", "0", "--generate", "0"];
  await runProgram([...DEEPTS, "bench", "--synthetic", name, "--type", type, "--model", file, ...nothing]);
  return file;
}

async function speed(run, name, type, work) {
  const ik = process.env.IK_LLAMA_BENCH;
  const engines = [deepts(), ...llamaCpp(llamaBench()), ...(ik ? [ikLlamaCpp(ik)] : [])];
  const file = await run.model(name, type);
  return { file: path.basename(file), ...(await measureSpeed(engines, file, { ...work, threads: run.threads }, say)) };
}

async function inChromium(run, type, threads) {
  const file = await run.model("lite2", type);
  const engines = [deeptsInChromium(), ...(await wllama(say))];
  return { file: path.basename(file), ...(await measureSpeed(engines, file, { ...PAGE, threads }, say)) };
}

function llamaBench() {
  const standard = path.join(os.homedir(), ".cache/deepts-peers/llama.cpp/build/bin/llama-bench");
  const program = process.env.LLAMA_BENCH || standard;
  if (existsSync(program)) return program;
  throw new Error(`there is no ${program}: build llama.cpp natively and set LLAMA_BENCH to its llama-bench`);
}

/** Another program of the same build of llama.cpp. */
function beside(name) {
  const program = path.join(path.dirname(llamaBench()), name);
  if (existsSync(program)) return program;
  throw new Error(`there is no ${program}: build ${name} too`);
}

process.exitCode = await main().catch((error) => {
  say(error.message);
  return 1;
});
