import { openCpu } from "../../src/backends/cpu/backend.ts";
import type { Backend, Executable, Outputs } from "../../src/tensor/backend.ts";
import { Recorder } from "../../src/tensor/recorder.ts";
import type { WeightSource } from "../../src/tensor/weight.ts";

/** A square matrix of this size is 16 MiB; a step of ROWS rows through LAYERS of them takes a good part of a second. */
export const WIDTH = 2048;
const LAYERS = 12;
const ROWS = 512;

// Made once: what these tests measure is the backend's memory.
const bytes = new Uint8Array(WIDTH * WIDTH * 4);
const input = new Float32Array(ROWS * WIDTH);

function zeros(name: string): WeightSource {
  const segment = { rows: WIDTH, file: name, offset: 0, byteLength: bytes.length, read: async () => bytes };
  return { name, dtype: "F32", shape: [WIDTH, WIDTH], segments: [segment] };
}

/** A Program that goes through one matrix again and again, in a backend of its own: the cpu backend unless one is given. */
export async function openBigStep(
  threads = 2,
  backend: Backend = openCpu({ threads }),
): Promise<{ backend: Backend; executable: Executable; run(): Promise<Outputs> }> {
  const g = new Recorder("big step", { pageSize: 16, layers: [[{ name: "key", width: WIDTH, dtype: "f32" }]] });
  const source = zeros("matrix");
  let x = g.input("x", WIDTH);
  for (let layer = 0; layer < LAYERS; layer++) x = g.linear(x, source);
  g.cacheWrite(0, "key", x);
  g.output("y", x);
  const program = g.finish();
  const weights = new Map([["matrix", await backend.loadWeight(source, new Set(["linear"]))]]);
  const cache = backend.allocCache(program.cache, ROWS / 16);
  const limits = { maxRows: ROWS, maxSeqs: 1, maxLogitRows: 1, numerics: "exact" as const };
  const executable = await backend.compile(program, { weights, cache, ...limits });
  const batch = {
    tokens: new Int32Array(ROWS),
    positions: Int32Array.from({ length: ROWS }, (_, i) => i),
    sequences: new Int32Array(ROWS),
    kinds: new Uint8Array(ROWS),
    blockTables: [Int32Array.from({ length: ROWS / 16 }, (_, i) => i)],
    logitRows: new Int32Array(0),
  };
  return { backend, executable, run: () => executable.run(batch, { x: input }) };
}
