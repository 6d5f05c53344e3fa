import type { Backend, Batch, WeightHandle } from "../tensor/backend.ts";
import { ROW_PROMPT } from "../tensor/backend.ts";
import { Recorder } from "../tensor/recorder.ts";
import type { WeightSource } from "../tensor/weight.ts";

/** One micro benchmark; times are of single runs, in milliseconds. */
export interface OpSpeed {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: readonly number[];
  /** 10^9 operations a second at the median; null where the work is moving bytes. */
  readonly gflops: number | null;
}

const SIZE = 1024;
const WARMUPS = 2;

/**
 * Creation, addition and product of 1024 x 1024 f32 tensors, through the ops that networks are made of.
 * @param repeat timed runs of each
 */
export async function measureOps(backend: Backend, repeat: number): Promise<OpSpeed[]> {
  const contents = Float32Array.from({ length: SIZE * SIZE }, (_, i) => ((i * 37) % 101) / 101 - 0.5);
  const weight = f32Source("b", contents);
  return [
    await timed("create", repeat, null, async () => (await backend.loadWeight(weight, new Set(["linear"]))).close()),
    await timedOp(backend, "add", weight, contents, repeat, SIZE * SIZE),
    await timedOp(backend, "matmul", weight, contents, repeat, 2 * SIZE ** 3),
  ];
}

async function timedOp(
  backend: Backend,
  kind: "add" | "matmul",
  weight: WeightSource,
  contents: Float32Array,
  repeat: number,
  operations: number,
): Promise<OpSpeed> {
  const layout = { pageSize: 32, layers: [] };
  const g = new Recorder(kind, layout);
  const a = g.input("a", SIZE);
  g.output("out", kind === "add" ? g.add(a, g.input("b", SIZE)) : g.linear(a, weight));
  const owned: { close(): void }[] = [];
  try {
    const cache = backend.allocCache(layout, 1);
    owned.push(cache);
    const weights = new Map<string, WeightHandle>();
    if (kind === "matmul") weights.set(weight.name, await backend.loadWeight(weight, new Set(["linear"])));
    owned.push(...weights.values());
    const limits = { maxRows: SIZE, maxSeqs: 1, maxLogitRows: 1, numerics: "exact" } as const;
    const executable = await backend.compile(g.finish(), { weights, cache, ...limits });
    owned.push(executable);
    const inputs: Record<string, Float32Array> = kind === "add" ? { a: contents, b: contents } : { a: contents };
    return await timed(kind, repeat, operations, async () => void (await executable.run(rows(), inputs)));
  } finally {
    for (const handle of owned.reverse()) handle.close();
  }
}

async function timed(
  name: string,
  repeat: number,
  operations: number | null,
  once: () => Promise<void>,
): Promise<OpSpeed> {
  const runs: number[] = [];
  for (let run = 0; run < WARMUPS + repeat; run++) {
    const start = performance.now();
    await once();
    if (run >= WARMUPS) runs.push(performance.now() - start);
  }
  const sorted = [...runs].sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1]!;
  const gflops = operations === null ? null : operations / median / 1e6;
  return { name: `${name} ${SIZE}`, median, min: sorted[0]!, max: sorted.at(-1)!, runs, gflops };
}

function rows(): Batch {
  return {
    tokens: new Int32Array(SIZE),
    positions: Int32Array.from({ length: SIZE }, (_, i) => i),
    sequences: new Int32Array(SIZE),
    kinds: new Uint8Array(SIZE).fill(ROW_PROMPT),
    blockTables: [new Int32Array(SIZE / 32)],
    logitRows: new Int32Array(),
  };
}

function f32Source(name: string, values: Float32Array): WeightSource {
  const bytes = new Uint8Array(values.buffer);
  const segment = { rows: SIZE, file: "memory", offset: 0, byteLength: bytes.length, read: async () => bytes };
  return { name, dtype: "F32", shape: [SIZE, SIZE], segments: [segment] };
}
