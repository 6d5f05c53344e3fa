import { writeFileSync } from "node:fs";
import path from "node:path";
import { KernelBackend } from "../../src/backends/kernels/backend.ts";
import type {
  Native,
  NativeCache,
  NativeExecutor,
  NativeFactory,
  NativeWeight,
} from "../../src/backends/kernels/native.ts";
import { pagesFor } from "../../src/engine/evaluate.ts";
import { NetworkRunner } from "../../src/engine/network-runner.ts";
import { type Numerics, ROW_GENERATED, ROW_PROMPT } from "../../src/tensor/backend.ts";
import { DTYPES, type DType, rowBytes } from "../../src/tensor/dtype.ts";
import { openTiny } from "../tiny-network.ts";

/** Types that have a packed form: packed_type of kernels/cpu/weight.cpp. */
const PACKED = /^(Q[458]_[01]|Q[456]_K|IQ4_NL|IQ4_XS)$/;
const PROMPT = 45;
const GENERATED = 4;

/** All kinds of attention, of products and of experts. */
const RUNS: readonly (readonly [fixture: string, numerics: Numerics])[] = [
  ["v3-tiny-Q8_0.gguf", "fast"],
  ["v3-tiny-Q8_0.gguf", "exact"],
  ["kquant-tiny-Q4_K_M.gguf", "fast"],
  ["v3-fp8", "exact"],
  ["v32-tiny", "exact"],
  ["qwen2-tiny", "fast"],
];

/** @returns the files written into the folder, for kernels/cpu/test/executor_test.cpp */
export async function writeRuns(folder: string): Promise<string[]> {
  const files = RUNS.map(([fixture, numerics]) => path.join(folder, `${fixture}-${numerics}.run`));
  for (const [i, [fixture, numerics]] of RUNS.entries()) await writeRun(files[i]!, fixture, numerics);
  return files;
}

/**
 * Loads a fixture into a backend whose native side only takes notes, and writes them down: weights, cache, plan, a prompt of two sequences and a few generated tokens of both.
 */
async function writeRun(file: string, fixture: string, numerics: Numerics): Promise<void> {
  const notes = new Notes();
  const backend = new KernelBackend("notes", notes);
  const checkpoint = await openTiny(fixture);
  const pages = pagesFor(PROMPT + GENERATED);
  const options = { pages: 2 * pages, maxRows: PROMPT, maxSeqs: 2, maxLogitRows: 2, numerics };
  const runner = await NetworkRunner.load(checkpoint, backend, options);
  const blockTables = [0, 1].map((sequence) =>
    Int32Array.from({ length: pages }, (_, page) => sequence * pages + page),
  );
  const step = async (rows: readonly { sequence: number; position: number }[], kind: number, logitRows: number[]) => {
    const outputs = await runner.run({
      tokens: Int32Array.from(
        rows,
        ({ sequence, position }) => (position * 7 + sequence * 3) % checkpoint.config.vocabSize,
      ),
      positions: Int32Array.from(rows, ({ position }) => position),
      sequences: Int32Array.from(rows, ({ sequence }) => sequence),
      kinds: new Uint8Array(rows.length).fill(kind),
      blockTables,
      logitRows: Int32Array.from(logitRows),
    });
    for (const output of Object.values(outputs)) await output.read();
  };
  const of = (sequence: number, from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => ({ sequence, position: from + i }));
  await step(of(0, 0, PROMPT), ROW_PROMPT, [PROMPT - 1]);
  await step([...of(1, 0, 10)], ROW_PROMPT, []);
  await step([...of(1, 10, 15)], ROW_PROMPT, [4]);
  for (let i = 0; i < GENERATED; i++) {
    await step([...of(0, PROMPT + i, PROMPT + i + 1), ...of(1, 15 + i, 16 + i)], ROW_GENERATED, [0, 1]);
  }
  writeFileSync(file, notes.words());
  runner.close();
  backend.close();
  await checkpoint.close();
}

/** A native side that computes nothing and remembers all. */
class Notes implements Native {
  readonly target = "notes";
  readonly threads = 1;
  readonly planner: NativeFactory = this;
  #cache: number[] = [];
  #program: number[] = [];
  readonly #steps: number[][] = [];

  async createWeight(dtype: string, rows: number, cols: number, scaleBlock: number): Promise<NativeWeight> {
    return new NotedWeight(dtype as DType, rows, cols, scaleBlock);
  }

  mapWeight(): null {
    return null;
  }

  createCache(pageSize: number, pages: number, widths: readonly number[], dtypes: readonly string[]): NativeCache {
    const fields = widths.flatMap((width, i) => [width, dtypeNumber(dtypes[i] as DType)]);
    this.#cache = [pageSize, pages, fields.length, ...fields];
    const unused = () => Promise.reject(new Error("a recorded run copies no pages"));
    return { bytes: 1, readPage: unused, writePage: unused, close: () => undefined };
  }

  async createExecutor(plan: Uint32Array, weights: readonly NativeWeight[]): Promise<NativeExecutor> {
    const noted = weights as NotedWeight[];
    this.#program = [noted.length, ...noted.flatMap((weight) => weight.words()), ...this.#cache, plan.length, ...plan];
    const steps = this.#steps;
    return {
      scratchBytes: 1,
      setRows: (...lists) => void steps.push([...lists.flatMap((list) => [list.length, ...list]), 0]),
      read: async (value, into) => {
        const step = steps.at(-1)!;
        step.push(value, into.length);
        // The number of readings stands before them.
        this.#readings(step);
      },
      poison: () => undefined,
      write: () => undefined,
      copyFrom: () => undefined,
      run: async () => true,
      close: () => undefined,
    };
  }

  close(): void {}

  #readings(step: number[]): void {
    let at = 0;
    for (let list = 0; list < 7; list++) at += 1 + step[at]!;
    step[at]! += 1;
  }

  words(): Uint32Array {
    return Uint32Array.from([...this.#program, this.#steps.length, ...this.#steps.flat()]);
  }
}

class NotedWeight implements NativeWeight {
  readonly bytes = 1;
  readonly mappedBytes = 0;
  readonly #head: number[];
  readonly #packs: boolean;
  readonly #data: Uint8Array;
  readonly #scales: Float32Array;
  #groups = 0;
  #keepsRows = true;
  #whenChosen = false;

  constructor(dtype: DType, rows: number, cols: number, scaleBlock: number) {
    this.#head = [dtypeNumber(dtype), rows, cols, scaleBlock];
    this.#packs = PACKED.test(dtype) && cols % DTYPES[dtype].blockElements === 0;
    this.#data = new Uint8Array(Math.ceil((rows * rowBytes(dtype, cols)) / 4) * 4);
    this.#scales = new Float32Array(scaleBlock > 0 ? rows * Math.ceil(cols / scaleBlock) : 0);
  }

  get keepsRows(): boolean {
    return this.#keepsRows;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#data.set(bytes, offset);
  }

  async writeScales(offset: number, scales: Float32Array): Promise<void> {
    this.#scales.set(scales, offset);
  }

  async pack(groups: number, keepRows: boolean, whenChosen: boolean): Promise<boolean> {
    if (!this.#packs) return false;
    this.#groups = groups;
    this.#keepsRows = keepRows;
    this.#whenChosen = whenChosen;
    return true;
  }

  close(): void {}

  words(): number[] {
    const data = new Uint32Array(this.#data.buffer);
    const scales = new Uint32Array(this.#scales.buffer);
    const form = [this.#groups, Number(this.#keepsRows), Number(this.#whenChosen)];
    return [...this.#head, ...form, data.length, ...data, scales.length, ...scales];
  }
}

function dtypeNumber(dtype: DType): number {
  return Object.keys(DTYPES).indexOf(dtype);
}
