import { writeFile } from "node:fs/promises";
import { type Agreement, agreement } from "../../engine/agreement.ts";
import {
  CHECK_ROWS,
  checkLogits,
  fillCache,
  measureSpeed,
  positionsOf,
  type Speed,
  type Workload,
} from "../../engine/benchmark.ts";
import { pagesFor } from "../../engine/evaluate.ts";
import { NetworkRunner, type RunnerOptions } from "../../engine/network-runner.ts";
import { measureOps, type OpSpeed } from "../../engine/op-speed.ts";
import { BackendUnavailableError } from "../../errors.ts";
import { type Checkpoint, storedBytes } from "../../model/checkpoint.ts";
import { embeddedModelPath, openBackend, openModel } from "../../node.ts";
import type { Backend, MachineSpeed, Numerics } from "../../tensor/backend.ts";
import { formatBytes } from "../bytes.ts";
import { defineCommand, type Invocation } from "../command.ts";
import { RUN_EXITS, UsageError } from "../exit-codes.ts";
import { loadShowing } from "../loading.ts";
import { circumstances, modelFacts } from "../measured-run.ts";
import { numberOf } from "../parse.ts";
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
    "and what the machine's memory gives, measured in the same run. Logits of generated rows are compared with those of a\n" +
    "prompt in exact numerics.",
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
      help: "weights of the random model, a type of deepts quantize",
    },
    ...computeArgs,
    prompt: { type: "integer", value: "TOKENS", default: 512, min: 0, help: "prompt to read; 0 for none" },
    generate: { type: "integer", value: "TOKENS", default: 32, min: 0, help: "tokens to generate; 0 for none" },
    depth: {
      type: "list",
      value: "TOKENS",
      help: "tokens in the cache before; several are measured in turn; default 0",
    },
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
    {
      command: "deepts bench --synthetic lite6 --type Q4_K_M --output run.json",
      what: "a random model of 3.5B values",
    },
    { command: "deepts bench --ops", what: "GFLOP/s of a product beside what the cores can do" },
  ],
  exits: RUN_EXITS,
  async run({ args, stdout, stderr, signal }) {
    const given = args.depth.length > 0 ? args.depth : ["0"];
    const depths = given.map((depth) => numberOf("--depth", depth, { type: "integer", min: 0, help: "" }));
    const workloads = depths.flatMap((depth): Workload[] =>
      [
        { prompt: args.prompt, generate: 0, depth },
        { prompt: 0, generate: args.generate, depth },
      ].filter(({ prompt, generate }) => prompt + generate > 0),
    );
    if (workloads.length === 0 && !args.ops && !args.synthetic) {
      throw new UsageError("--prompt 0 --generate 0: nothing to measure");
    }
    const path = args.synthetic
      ? await syntheticModel(args.synthetic, args.type, args.model, { stderr, signal })
      : (args.model ?? embeddedModelPath());
    if (workloads.length === 0 && !args.ops) return stdout.line(path);
    const backend = await openBackend(args.backend, {
      threads: args.threads,
      modelBytes: args.ops ? 0 : await modelBytes(path),
      onNote: (note) => void stderr.line(note),
    });
    try {
      const head = { ...(await circumstances()), backend: describe(backend) };
      const machineSpeed = await measureMachine(backend, args.threads);
      const report = args.ops
        ? { ...head, machineSpeed, ops: await measureOps(backend, args.repeat), memory: process.memoryUsage.rss() }
        : { ...head, machineSpeed, ...(await measureModel(path, backend, workloads, args, { stderr, signal })) };
      if (args.output) await save(args.output, report);
      await stdout.write(args.json ? `${JSON.stringify(report)}\n` : textOf(report));
    } finally {
      backend.close();
    }
  },
});

type Surroundings = Pick<Invocation<unknown>, "stderr" | "signal">;

function describe(backend: Backend): { name: string; device: string; threads: number | null } {
  const { name, device, threads = null } = backend.describe();
  return { name, device, threads };
}

/** What the backend says of its hardware; of one that cannot tell, what the cpu backend says of the same machine. */
async function measureMachine(backend: Backend, threads: number | undefined): Promise<MachineSpeed | null> {
  if (backend.measure) return backend.measure();
  let cpu: Backend;
  try {
    cpu = await openBackend("cpu", { threads });
  } catch (error) {
    if (error instanceof BackendUnavailableError) return null;
    throw error;
  }
  try {
    return (await cpu.measure?.()) ?? null;
  } finally {
    cpu.close();
  }
}

async function modelBytes(path: string): Promise<number> {
  const { checkpoint } = await openModel(path);
  await checkpoint.close();
  return storedBytes(checkpoint);
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
  const started = performance.now();
  const { checkpoint } = await openModel(path);
  try {
    const { vocabSize, maxPositionEmbeddings: limit } = checkpoint.config;
    const positions = Math.max(...workloads.map(positionsOf));
    if (positions > limit) throw new UsageError(`--depth: ${positions} positions, but this model has ${limit}`);
    const runner = await loadRunner(checkpoint, backend, { numerics, cacheType }, positions, surroundings);
    const loadSeconds = (performance.now() - started) / 1000;
    const results: Speed[] = [];
    let got: Float32Array;
    let exact: Float32Array | null = null;
    try {
      const options = { vocabSize, seed: SEED, signal };
      for (const [i, workload] of workloads.entries()) {
        // What was measured before has written over what lies behind its own depth.
        if (workload.depth !== workloads[i - 1]?.depth) await fillCache(runner, workload.depth, options);
        const progress = new Progress(stderr, workload.prompt > 0 ? "reading" : "generating");
        const onRun = (done: number, total: number) => progress.update(done, total);
        results.push(await measureSpeed(runner, workload, { ...options, repeat, warmups: WARMUPS, onRun }));
        await progress.end();
      }
      got = await checkLogits(runner, vocabSize, SEED, "generated");
      if (isExact(runner)) exact = await checkLogits(runner, vocabSize, SEED, "prompt");
    } finally {
      runner.close();
    }
    exact ??= await exactLogits(checkpoint, backend, surroundings);
    return {
      model: output ? await modelFacts(path, checkpoint, signal) : { file: path },
      numerics: runner.numerics,
      cacheType: cacheTypeOf(runner),
      batch: runner.maxRows,
      warmups: WARMUPS,
      loadSeconds,
      memoryUse: runner.memory,
      outputCheck: agreement(exact, got, vocabSize),
      results,
    };
  } finally {
    await checkpoint.close();
  }
}

function cacheTypeOf({ program }: NetworkRunner): string {
  return program.cache.layers[0]![0]!.dtype;
}

function isExact(runner: NetworkRunner): boolean {
  return runner.numerics === "exact" && cacheTypeOf(runner) === "f32";
}

function loadRunner(
  checkpoint: Checkpoint,
  backend: Backend,
  how: Pick<RunnerOptions, "numerics" | "cacheType">,
  positions: number,
  surroundings: Surroundings,
): Promise<NetworkRunner> {
  const options = { ...how, pages: pagesFor(positions), maxLogitRows: CHECK_ROWS, taps: { routes: true } };
  return loadShowing(surroundings, (watch) => NetworkRunner.load(checkpoint, backend, { ...options, ...watch }));
}

/** From weights loaded anew, after the others are gone: fast numerics keep no form of them that exact ones could read. */
async function exactLogits(
  checkpoint: Checkpoint,
  backend: Backend,
  surroundings: Surroundings,
): Promise<Float32Array> {
  const { vocabSize } = checkpoint.config;
  const runner = await loadRunner(checkpoint, backend, { numerics: "exact" }, CHECK_ROWS, surroundings);
  try {
    return await checkLogits(runner, vocabSize, SEED, "prompt");
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
  /** Resident bytes of the process. */
  readonly memory?: number;
}

function textOf({ backend, machineSpeed, numerics, outputCheck, results = [], ops = [], memory }: Report): string {
  const lines = [`backend ${backend.name} (${backend.device})${numerics ? `, ${numerics} numerics` : ""}`];
  if (machineSpeed) lines.push(machineLine(machineSpeed));
  for (const { prompt, generate, depth, tokensPerSecond, min, max, bytesPerSecond, distinctExperts } of results) {
    const what = prompt > 0 ? `prompt ${prompt}` : `generate ${generate}`;
    const bytes = bytesPerSecond === null ? "" : `  ${giga(bytesPerSecond)} GB/s`;
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
  if (memory !== undefined) lines.push(`memory: ${formatBytes(memory)} resident`);
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
