import { PAGE_SIZE } from "../model/cache-layout.ts";
import type { Outputs } from "../tensor/backend.ts";
import { ROW_GENERATED, ROW_PROMPT } from "../tensor/backend.ts";
import { firstPages } from "./evaluate.ts";
import type { NetworkRunner } from "./network-runner.ts";
import { sequenceRows } from "./sequence-rows.ts";

/** What is measured: `prompt` rows read, or `generate` rows one by one, behind `depth` cached positions. */
export interface Workload {
  readonly prompt: number;
  readonly generate: number;
  readonly depth: number;
}

export interface SpeedOptions {
  readonly vocabSize: number;
  /** Timed runs. */
  readonly repeat: number;
  readonly warmups: number;
  readonly seed: number;
  readonly onRun?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface Speed extends Workload {
  /** Median of the runs. */
  readonly tokensPerSecond: number;
  readonly min: number;
  readonly max: number;
  /** Tokens a second of each timed run, in order. */
  readonly runs: readonly number[];
  /** Different experts that the rows of one run went to, summed over the layers; null without experts or their taps. */
  readonly distinctExperts: number | null;
  /** Bytes of weights and cache that one generated token reads, on average; null for a prompt. */
  readonly activeBytes: number | null;
  /** activeBytes times tokensPerSecond: what memory has to give; null for a prompt. */
  readonly bytesPerSecond: number | null;
}

/** Rows whose logits are compared with exact numerics. */
export const CHECK_ROWS = 8;

/** Positions that the cache must hold for a workload. */
export function positionsOf({ prompt, generate, depth }: Workload): number {
  return Math.max(depth + prompt, depth + generate, CHECK_ROWS);
}

/** Puts the first `depth` random tokens into the cache, as rows of a prompt. */
export async function fillCache(
  runner: NetworkRunner,
  depth: number,
  { vocabSize, seed, signal }: Pick<SpeedOptions, "vocabSize" | "seed" | "signal">,
): Promise<void> {
  await readRows(runner, uniformTokens(depth, vocabSize, seed), 0, { signal });
}

/**
 * How fast a runner goes through one phase. Tokens are uniform over the vocabulary and the same for every run; each run
 * writes the same positions again, so that what lies before them stays for the next measurement.
 * @param runner with the cache filled to the workload's depth, see fillCache
 * @param workload exactly one of prompt and generate is above 0
 */
export async function measureSpeed(runner: NetworkRunner, workload: Workload, options: SpeedOptions): Promise<Speed> {
  const { prompt, generate, depth } = workload;
  const { repeat, warmups, signal, onRun } = options;
  const count = prompt + generate;
  const tokens = uniformTokens(depth + count, options.vocabSize, options.seed);
  const runs: number[] = [];
  let experts: Set<string> | null = null;
  for (let run = 0; run < warmups + repeat; run++) {
    // The first warm-up looks at where the rows went, which takes time of its own.
    const onStep =
      run === 0 && warmups > 0
        ? async (outputs: Outputs) => {
            experts = await addExperts(outputs, experts ?? new Set());
          }
        : undefined;
    const start = performance.now();
    // Sampling needs the logits of each generated row, and of a prompt those of the last.
    const how = generate > 0 ? ({ oneByOne: true, logits: "all" } as const) : ({ logits: "last" } as const);
    await readRows(runner, tokens.subarray(depth), depth, { ...how, signal, onStep });
    if (run >= warmups) runs.push(count / ((performance.now() - start) / 1000));
    onRun?.(run + 1, warmups + repeat);
  }
  const hit = experts === null ? null : (experts as Set<string>).size;
  const speed = spread(runs);
  const bytes = generate > 0 ? activeBytes(runner, depth + (generate + 1) / 2) : null;
  return {
    ...workload,
    ...speed,
    runs,
    distinctExperts: hit || null,
    activeBytes: bytes,
    bytesPerSecond: bytes === null ? null : Math.round(bytes * speed.tokensPerSecond),
  };
}

/** Median, least and most. */
export function spread(runs: readonly number[]): { tokensPerSecond: number; min: number; max: number } {
  const sorted = [...runs].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { tokensPerSecond: median, min: sorted[0]!, max: sorted.at(-1)! };
}

/**
 * Logits of the first CHECK_ROWS random tokens, [CHECK_ROWS, vocab]: to be compared between two runners.
 * @param as a prompt in one step, or one by one as generated rows: ways that must agree
 */
export async function checkLogits(
  runner: NetworkRunner,
  vocabSize: number,
  seed: number,
  as: "prompt" | "generated",
): Promise<Float32Array> {
  const tokens = uniformTokens(CHECK_ROWS, vocabSize, seed);
  const all = new Float32Array(CHECK_ROWS * vocabSize);
  let filled = 0;
  const onStep = async (outputs: Outputs) => {
    const logits = (await outputs.logits!.read()) as Float32Array;
    all.set(logits, filled);
    filled += logits.length;
  };
  const how = as === "prompt" ? ({ logits: "all" } as const) : ({ logits: "all", oneByOne: true } as const);
  await readRows(runner, tokens, 0, { ...how, onStep });
  return all;
}

interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** A step a row, as generated ones are; else as many rows of a prompt a step as the runner takes. */
  readonly oneByOne?: boolean;
  /** Rows whose logits are computed. Default none. */
  readonly logits?: "all" | "last";
  readonly onStep?: ((outputs: Outputs) => Promise<void>) | undefined;
}

async function readRows(runner: NetworkRunner, tokens: Int32Array, from: number, options: ReadOptions): Promise<void> {
  const { signal, oneByOne = false, logits, onStep } = options;
  const chunk = oneByOne ? 1 : runner.maxRows;
  for (let start = 0; start < tokens.length; start += chunk) {
    signal?.throwIfAborted();
    const rows = Math.min(chunk, tokens.length - start);
    const last = start + rows === tokens.length;
    const firstLogits = logits === "all" ? 0 : logits === "last" && last ? rows - 1 : rows;
    const part = tokens.subarray(start, start + rows);
    const kind = oneByOne ? ROW_GENERATED : ROW_PROMPT;
    const pages = firstPages(from + start + rows);
    const outputs = await runner.run(sequenceRows(part, from + start, kind, pages, firstLogits));
    await onStep?.(outputs);
  }
}

/** Adds `layer:expert` for all rows of a step. */
async function addExperts(outputs: Outputs, hit: Set<string>): Promise<Set<string>> {
  for (const [name, buffer] of Object.entries(outputs)) {
    if (!/^routes\.\d+\.ids$/.test(name)) continue;
    for (const id of await buffer.read()) hit.add(`${name}:${id}`);
  }
  return hit;
}

/** Weights as they are in the file, of experts the chosen ones, of the embedding one row; and the cache of `positions`. */
function activeBytes(runner: NetworkRunner, positions: number): number {
  const { program, memory, pages } = runner;
  const chosen = new Map<string, number>();
  for (const op of program.ops) {
    if (op.kind !== "expertsFfn") continue;
    for (const name of [op.gate, op.up, op.down]) chosen.set(name, op.ids.shape[1] as number);
  }
  let bytes = 0;
  for (const [name, { source, uses }] of program.weights) {
    const all = source.segments.reduce((sum, segment) => sum + segment.byteLength, 0);
    const onlyGathered = uses.size === 1 && uses.has("gather");
    const count = chosen.get(name) ?? (onlyGathered ? 1 : source.shape[0]!);
    bytes += (all / source.shape[0]!) * count;
  }
  return Math.round(bytes + (memory.cache / (pages * PAGE_SIZE)) * positions);
}

/** A linear congruential generator's high bits. Source: Numerical Recipes, ranqd1. */
function uniformTokens(count: number, vocabSize: number, seed: number): Int32Array {
  let state = seed >>> 0;
  return Int32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * vocabSize);
  });
}
