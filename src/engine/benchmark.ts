import { PAGE_SIZE } from "../model/cache-layout.ts";
import type { Batch, Outputs } from "../tensor/backend.ts";
import { ROW_GENERATED, ROW_PROMPT } from "../tensor/backend.ts";
import { pagesFor } from "./evaluate.ts";
import type { NetworkRunner } from "./network-runner.ts";

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
}

/** Rows whose logits are compared with exact numerics. */
export const CHECK_ROWS = 8;

/** Positions that the cache must hold for a workload. */
export function positionsOf({ prompt, generate, depth }: Workload): number {
  return Math.max(depth + prompt, depth + generate, CHECK_ROWS);
}

/**
 * How fast a runner goes through one phase. Tokens are uniform over the vocabulary and the same for every run. The cache
 * is filled to `depth` once, before any timing; each run then writes the same positions again.
 * @param workload exactly one of prompt and generate is above 0
 */
export async function measureSpeed(runner: NetworkRunner, workload: Workload, options: SpeedOptions): Promise<Speed> {
  const { prompt, generate, depth } = workload;
  const { repeat, warmups, signal, onRun } = options;
  const count = prompt + generate;
  const tokens = uniformTokens(depth + count, options.vocabSize, options.seed);
  await readRows(runner, tokens.subarray(0, depth), 0, { signal });
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
    await readRows(runner, tokens.subarray(depth), depth, { signal, oneByOne: generate > 0, lastLogits: true, onStep });
    if (run >= warmups) runs.push(count / ((performance.now() - start) / 1000));
    onRun?.(run + 1, warmups + repeat);
  }
  const hit = experts === null ? null : (experts as Set<string>).size;
  return {
    ...workload,
    ...spread(runs),
    runs,
    distinctExperts: hit || null,
    activeBytes: generate > 0 ? activeBytes(runner, depth + (generate + 1) / 2) : null,
  };
}

/** Median, least and most. */
export function spread(runs: readonly number[]): { tokensPerSecond: number; min: number; max: number } {
  const sorted = [...runs].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { tokensPerSecond: median, min: sorted[0]!, max: sorted.at(-1)! };
}

/** Logits of the first CHECK_ROWS random tokens, [CHECK_ROWS, vocab]: to be compared between two runners. */
export async function checkLogits(runner: NetworkRunner, vocabSize: number, seed: number): Promise<Float32Array> {
  const tokens = uniformTokens(CHECK_ROWS, vocabSize, seed);
  const all = new Float32Array(CHECK_ROWS * vocabSize);
  let row = 0;
  const onStep = async (outputs: Outputs) => {
    all.set((await outputs.logits!.read()) as Float32Array, row++ * vocabSize);
  };
  await readRows(runner, tokens, 0, { oneByOne: true, lastLogits: true, onStep });
  return all;
}

/** How far logits are from exact ones. */
export interface Agreement {
  readonly rows: number;
  /** Mean over the rows of KL(exact || got), in nats. */
  readonly meanKl: number;
  readonly maxKl: number;
  /** Rows whose likeliest token is the same. */
  readonly sameArgmax: number;
}

/** @param exact and @param got [rows, width] */
export function agreement(exact: Float32Array, got: Float32Array, width: number): Agreement {
  const rows = exact.length / width;
  let [sum, most, same] = [0, 0, 0];
  for (let row = 0; row < rows; row++) {
    const p = logSoftmax(exact.subarray(row * width, (row + 1) * width));
    const q = logSoftmax(got.subarray(row * width, (row + 1) * width));
    let kl = 0;
    for (let i = 0; i < width; i++) kl += Math.exp(p[i]!) * (p[i]! - q[i]!);
    sum += kl;
    most = Math.max(most, kl);
    if (argmax(p) === argmax(q)) same++;
  }
  return { rows, meanKl: sum / rows, maxKl: most, sameArgmax: same };
}

function logSoftmax(logits: Float32Array): Float64Array {
  let largest = -Infinity;
  for (const x of logits) largest = Math.max(largest, x);
  let sum = 0;
  for (const x of logits) sum += Math.exp(x - largest);
  const shift = largest + Math.log(sum);
  return Float64Array.from(logits, (x) => x - shift);
}

function argmax(values: Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** A step a row, as generated ones are; else as many rows a step as the runner takes. */
  readonly oneByOne?: boolean;
  /** Compute the logits of the last row (of each row, one by one). */
  readonly lastLogits?: boolean;
  readonly onStep?: ((outputs: Outputs) => Promise<void>) | undefined;
}

async function readRows(runner: NetworkRunner, tokens: Int32Array, from: number, options: ReadOptions): Promise<void> {
  const { signal, oneByOne = false, lastLogits = false, onStep } = options;
  const chunk = oneByOne ? 1 : runner.maxRows;
  for (let start = 0; start < tokens.length; start += chunk) {
    signal?.throwIfAborted();
    const part = tokens.subarray(start, start + chunk);
    const last = start + part.length === tokens.length;
    const logits = lastLogits && (oneByOne || last);
    const outputs = await runner.run(rowsOf(part, from + start, oneByOne ? ROW_GENERATED : ROW_PROMPT, logits));
    await onStep?.(outputs);
  }
}

function rowsOf(tokens: Int32Array, start: number, kind: number, logits: boolean): Batch {
  const rows = tokens.length;
  return {
    tokens,
    positions: Int32Array.from({ length: rows }, (_, i) => start + i),
    sequences: new Int32Array(rows),
    kinds: new Uint8Array(rows).fill(kind),
    blockTables: [Int32Array.from({ length: pagesFor(start + rows) }, (_, page) => page)],
    logitRows: logits ? Int32Array.of(rows - 1) : new Int32Array(),
  };
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
