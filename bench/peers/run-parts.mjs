// What `npm run bench:peers` and `npm run bench:serve` have in common: their command line, the models, and the file of a run.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { root, say } from "../../scripts/run.mjs";
import { setup } from "../../scripts/setup.mjs";
import { DEEPTS } from "./engines.mjs";
import { runProgram } from "./program.mjs";
import { median } from "./statistics.mjs";

/**
 * @typedef {object} Run
 * @property {number} threads of every engine
 * @property {() => string} embedded the embedded model's file
 * @property {(name: string, type: string) => Promise<string>} model a synthetic model's file, written where it is missing
 */

/**
 * Measures the parts that the command line asks for, one after another, and writes the record anew after each.
 * @param {string} name of the npm script, bench:<id>
 * @param {Record<string, (run: Run) => Promise<object>>} parts
 * @param {readonly string[]} [onlyIfNamed] parts that are left out without --only
 * @returns {Promise<number>} exit code
 */
export function runParts(name, parts, onlyIfNamed = []) {
  return measure(name, parts, onlyIfNamed).catch((error) => {
    say(error.message);
    return 1;
  });
}

async function measure(name, parts, onlyIfNamed) {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      threads: { type: "string" },
      models: { type: "string", default: path.join(root, ".cache", "bench-models") },
      out: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    const standard = onlyIfNamed.length > 0 ? `; all but ${onlyIfNamed.join(", ")} without --only` : "";
    console.log(
      `usage: npm run ${name} -- [--only PART,...] [--threads N] [--models FOLDER] [--out FILE.json]
parts: ${Object.keys(parts).join(", ")}${standard}
models: made in FOLDER (default .cache/bench-models) where they are missing, gigabytes each
out: default bench/results/<date>-<machine>-${idOf(name)}.json, written anew after each part`,
    );
    return 0;
  }
  const wanted = values.only?.split(",") ?? Object.keys(parts).filter((part) => !onlyIfNamed.includes(part));
  const unknown = wanted.find((part) => !Object.hasOwn(parts, part));
  if (unknown !== undefined)
    throw new Error(`--only: no part ${unknown}; want some of ${Object.keys(parts).join(", ")}`);
  if (values.threads !== undefined && !/^[1-9]\d{0,2}$/.test(values.threads)) {
    throw new Error(`--threads: want a number of threads, got ${values.threads}`);
  }
  const code = await setup({ wasm: wanted.some((part) => part.startsWith("wasm")) });
  if (code !== 0) return code;
  const run = await openRun(name, wanted, values);
  for (const part of wanted) {
    say(`part ${part}`);
    run.record.parts[part] = await parts[part](run);
    await run.save();
  }
  say(`wrote ${path.relative(process.cwd(), run.out)}`);
  return 0;
}

/** The record of this run, and the models it measures. */
async function openRun(name, wanted, values) {
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
    command: [`npm run ${name}`, ...(chosen.length > 0 ? ["--", ...chosen] : [])].join(" "),
    threads,
    machineSpeed: null,
    models: {},
    parts: {},
  };
  const machine = about.machine.cpu.toLowerCase().replace(/\W+/g, "-").replace(/^-|-$/g, "");
  const id = values.only === undefined ? idOf(name) : `${idOf(name)}-${wanted.join("-")}`;
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
    model: async (model, type) => use(await syntheticModel(values.models, model, type)),
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

function idOf(name) {
  return name.split(":")[1];
}

/** Medians of what was measured in each process of DeepTS. */
function machineSpeedOf(parts) {
  const observed = Object.values(parts)
    .flatMap(({ entries = [] }) => entries.flatMap((entry) => entry.observed ?? []))
    .flatMap(({ machineSpeed }) => machineSpeed ?? []);
  if (observed.length === 0) return null;
  return Object.fromEntries(
    ["read", "copy", "flops"].map((what) => [what, Math.round(median(observed.map((speed) => speed[what])))]),
  );
}

async function syntheticModel(folder, name, type) {
  const file = path.join(folder, `${name}-${type}.gguf`);
  if (existsSync(file)) return file;
  say(`writing ${path.basename(file)}`);
  mkdirSync(folder, { recursive: true });
  const nothing = ["--prompt", "0", "--generate", "0"];
  await runProgram([...DEEPTS, "bench", "--synthetic", name, "--type", type, "--model", file, ...nothing]);
  return file;
}

/**
 * A program of a native build of llama.cpp: LLAMA_BENCH names its llama-bench, the others lie beside it.
 * @param {string} name e.g. llama-completion
 * @throws when it is not there
 */
export function llamaProgram(name) {
  const standard = path.join(os.homedir(), ".cache/deepts-peers/llama.cpp/build/bin/llama-bench");
  const bench = process.env.LLAMA_BENCH || standard;
  const program = name === "llama-bench" ? bench : path.join(path.dirname(bench), name);
  if (existsSync(program)) return program;
  throw new Error(
    `there is no ${program}: build llama.cpp natively, ${name} too, and set LLAMA_BENCH to its llama-bench`,
  );
}
