import { writeFile } from "node:fs/promises";
import {
  type Agreement,
  agreement,
  checkLogits,
  measureSpeed,
  positionsOf,
  type Speed,
  type Workload,
} from "../../engine/benchmark.ts";
import { pagesFor } from "../../engine/evaluate.ts";
import { NetworkRunner, type RunnerOptions } from "../../engine/network-runner.ts";
import { measureOps, type OpSpeed } from "../../engine/op-speed.ts";
import type { Checkpoint } from "../../model/checkpoint.ts";
import { embeddedModelPath, openBackend, openModel } from "../../node.ts";
import type { Backend, MachineSpeed, Numerics } from "../../tensor/backend.ts";
import { defineCommand, type Invocation } from "../command.ts";
import { RUN_EXITS, UsageError } from "../exit-codes.ts";
import { loadShowing } from "../loading.ts";
import { circumstances, modelFacts } from "../measured-run.ts";
import { Progress } from "../progress.ts";
import { computeArgs, modelArg } from "../shared-args.ts";
import { syntheticModel } from "../synthetic-model.ts";

const WARMUPS = 1;
const SEED = 1;

export const bench = defineCommand({
  name: "bench",
  summary: "Measure how fast a model reads and writes on this machine",
  description:
    "Tokens are drawn uniformly from the vocabulary, the same for every run; nothing is sampled. The cache is filled to\n" +
    "--depth before any timing. Beside tokens a second stand the bytes of weights and cache that a generated token reads,\n" +
    "and what the machine's memory gives, measured in the same run. Logits are compared with exact numerics.",
  args: {
    model: modelArg,
    synthetic: {
      type: "text",
      value: "NAME",
      help: "a random model of known size: lite6, lite2; made once, at --model",
    },
    type: {
      type: "text",
      default: "Q8_0",
      help: "weights of the random model: F32, F16, BF16, Q8_0; deepts quantize makes others of it",
    },
    ...computeArgs,
    prompt: { type: "integer", value: "TOKENS", default: 512, min: 0, help: "prompt to read; 0 for none" },
    generate: { type: "integer", value: "TOKENS", default: 32, min: 0, help: "tokens to generate; 0 for none" },
    depth: { type: "integer", value: "TOKENS", default: 0, min: 0, help: "tokens in the cache before" },
    repeat: { type: "integer", value: "N", default: 5, min: 1, help: "timed runs of each" },
    ops: { type: "flag", help: "measure single ops on 1024 x 1024 tensors instead of a model" },
    json: { type: "flag", help: "print one JSON object" },
    output: {
      type: "text",
      value: "FILE",
      help: "write the whole record there too: machine, commit, model, every run",
    },
  },
  examples: [
    { command: "deepts bench --model m.gguf --depth 4096 --json", what: "reading and writing behind 4096 tokens" },
    { command: "deepts bench --synthetic lite6 --type Q8_0 --output run.json", what: "a random model of 3.5B values" },
    { command: "deepts bench --ops", what: "GFLOP/s of a product beside what the cores can do" },
  ],
  exits: RUN_EXITS,
  async run({ args, stdout, stderr, signal }) {
    const workloads: Workload[] = [
      { prompt: args.prompt, generate: 0, depth: args.depth },
      { prompt: 0, generate: args.generate, depth: args.depth },
    ].filter(({ prompt, generate }) => prompt + generate > 0);
    if (workloads.length === 0 && !args.ops && !args.synthetic) {
      throw new UsageError("--prompt 0 --generate 0: nothing to measure");
    }
    const path = args.synthetic
      ? await syntheticModel(args.synthetic, args.type, args.model, { stderr, signal })
      : (args.model ?? embeddedModelPath());
    if (workloads.length === 0 && !args.ops) return stdout.line(path);
    const backend = await openBackend(args.backend, {
      threads: args.threads,
      onNote: (note) => void stderr.line(note),
    });
    try {
      const head = { ...(await circumstances()), backend: describe(backend), threads: args.threads ?? null };
      const machine = (await backend.measure?.()) ?? null;
      const report = args.ops
        ? {
            ...head,
            machineSpeed: machine,
            ops: await measureOps(backend, args.repeat),
            memory: process.memoryUsage.rss(),
          }
        : {
            ...head,
            machineSpeed: machine,
            ...(await measureModel(path, backend, workloads, args, { stderr, signal })),
          };
      if (args.output) await save(args.output, report);
      await stdout.write(args.json ? `${JSON.stringify(report)}\n` : textOf(report));
    } finally {
      backend.close();
    }
  },
});

type Surroundings = Pick<Invocation<unknown>, "stderr" | "signal">;

function describe(backend: Backend): { name: string; device: string } {
  const { name, device } = backend.describe();
  return { name, device };
}

async function measureModel(
  path: string,
  backend: Backend,
  workloads: readonly Workload[],
  args: Pick<RunnerOptions, "numerics" | "cacheType"> & {
    readonly repeat: number;
    readonly output: string | undefined;
  },
  surroundings: Surroundings,
) {
  const { stderr, signal } = surroundings;
  const { repeat, output, numerics, cacheType } = args;
  const { checkpoint } = await openModel(path);
  try {
    const { vocabSize, maxPositionEmbeddings: limit } = checkpoint.config;
    const positions = Math.max(...workloads.map(positionsOf));
    if (positions > limit) throw new UsageError(`--depth: ${positions} positions, but this model has ${limit}`);
    const started = performance.now();
    const runner = await loadRunner(checkpoint, backend, { numerics, cacheType }, positions, surroundings);
    const loadSeconds = (performance.now() - started) / 1000;
    const results: Speed[] = [];
    let got: Float32Array;
    try {
      for (const workload of workloads) {
        const progress = new Progress(stderr, workload.prompt > 0 ? "reading" : "generating");
        const onRun = (done: number, total: number) => progress.update(done, total);
        results.push(
          await measureSpeed(runner, workload, { vocabSize, repeat, warmups: WARMUPS, seed: SEED, onRun, signal }),
        );
        await progress.end();
      }
      got = await checkLogits(runner, vocabSize, SEED);
    } finally {
      runner.close();
    }
    return {
      model: output ? await modelFacts(path, checkpoint, signal) : { file: path },
      numerics: runner.numerics,
      warmups: WARMUPS,
      loadSeconds,
      outputCheck: await check(checkpoint, backend, got, surroundings),
      results,
    };
  } finally {
    await checkpoint.close();
  }
}

function loadRunner(
  checkpoint: Checkpoint,
  backend: Backend,
  how: Pick<RunnerOptions, "numerics" | "cacheType">,
  positions: number,
  surroundings: Surroundings,
): Promise<NetworkRunner> {
  const options = { ...how, pages: pagesFor(positions), maxLogitRows: 1, taps: { routes: true } };
  return loadShowing(surroundings, (watch) => NetworkRunner.load(checkpoint, backend, { ...options, ...watch }));
}

/** The same rows with exact numerics, from weights loaded anew. */
async function check(
  checkpoint: Checkpoint,
  backend: Backend,
  got: Float32Array,
  surroundings: Surroundings,
): Promise<Agreement> {
  const { vocabSize } = checkpoint.config;
  const runner = await loadRunner(checkpoint, backend, { numerics: "exact" }, got.length / vocabSize, surroundings);
  try {
    return agreement(await checkLogits(runner, vocabSize, SEED), got, vocabSize);
  } finally {
    runner.close();
  }
}

/** @throws UsageError */
async function save(file: string, report: object): Promise<void> {
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`--output: cannot write ${file}: ${error.message}`, { cause: error });
  });
}

interface Report {
  readonly backend: { readonly name: string; readonly device: string };
  readonly machineSpeed: MachineSpeed | null;
  readonly numerics?: Numerics;
  readonly outputCheck?: Agreement;
  readonly results?: readonly Speed[];
  readonly ops?: readonly OpSpeed[];
}

function textOf({ backend, machineSpeed, numerics, outputCheck, results = [], ops = [] }: Report): string {
  const lines = [`backend ${backend.name} (${backend.device})${numerics ? `, ${numerics} numerics` : ""}`];
  if (machineSpeed) lines.push(machineLine(machineSpeed));
  for (const { prompt, generate, depth, tokensPerSecond, min, max, activeBytes, distinctExperts } of results) {
    const what = prompt > 0 ? `prompt ${prompt}` : `generate ${generate}`;
    const bytes = activeBytes === null ? "" : `  ${giga(activeBytes * tokensPerSecond)} GB/s`;
    const experts = distinctExperts === null ? "" : `  ${distinctExperts} experts`;
    const range = `(${min.toFixed(2)} to ${max.toFixed(2)})`;
    lines.push(`${what} at ${depth}: ${tokensPerSecond.toFixed(2)} tokens/s ${range}${bytes}${experts}`);
  }
  for (const { name, median, min, max, gflops } of ops) {
    const share =
      gflops !== null && machineSpeed ? ` (${Math.round((gflops * 1e11) / machineSpeed.flops)} % of the peak)` : "";
    const speed = gflops === null ? "" : `  ${gflops.toFixed(1)} GFLOP/s${share}`;
    lines.push(`${name}: ${median.toFixed(3)} ms (${min.toFixed(3)} to ${max.toFixed(3)})${speed}`);
  }
  if (outputCheck) {
    const { rows, meanKl, sameArgmax } = outputCheck;
    lines.push(
      `against exact numerics: mean KL ${meanKl.toExponential(2)}, same likeliest token ${sameArgmax} of ${rows}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

function machineLine({ read, copy, flops }: MachineSpeed): string {
  return `memory ${giga(read)} GB/s read, ${giga(copy)} GB/s copied; ${giga(flops)} GFLOP/s multiply-add`;
}

function giga(value: number): string {
  return (value / 1e9).toFixed(1);
}
