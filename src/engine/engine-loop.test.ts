import { afterEach, expect, it, vi } from "vitest";
import type { Batch, Outputs } from "../tensor/backend.ts";
import { Answer } from "./answer.ts";
import { BlockPool } from "./block-pool.ts";
import { EngineLoop } from "./engine-loop.ts";
import type { Sampler } from "./sampling/sampler.ts";
import { Scheduler } from "./scheduler.ts";
import { Sequence } from "./sequence.ts";
import type { ModelText } from "./text.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const VOCABULARY = 4;

/** No letters, no end tokens. */
const text = {
  tokenizer: { detokenizer: () => ({ push: () => "", end: () => "" }) },
  endTokens: new Set<number>(),
} as unknown as ModelText;

/** A loop over a network whose logits of the row of sequence i are all i; the tokens are chosen by `sample`. */
function setUp(count: number, sample: (logits: Float32Array) => void) {
  const pool = new BlockPool({ pages: 64, pageSize: 4 });
  const scheduler = new Scheduler(pool, { maxRows: 64, maxSeqs: count, maxWaiting: 0 });
  const read = vi.fn(async (values: Float32Array, into: Float32Array) => {
    into.set(values);
    return into.subarray(0, values.length);
  });
  const run = async ({ logitRows }: Batch): Promise<Outputs> => {
    const shape = [logitRows.length, VOCABULARY];
    const values = Float32Array.from({ length: logitRows.length * VOCABULARY }, (_, i) => Math.floor(i / VOCABULARY));
    return { logits: { shape, dtype: "f32", read: (into) => read(values, into as Float32Array) } };
  };
  const loop = new EngineLoop(scheduler, pool, run);
  const sampler: Sampler = {
    sample(logits) {
      sample(logits);
      return 0;
    },
    accept() {},
  };
  const rest = { text, stops: [], ignoreEndTokens: false, topLogprobs: null, constraint: null };
  for (let i = 0; i < count; i++) {
    const sequence = new Sequence({ prompt: [i + 1, 0], maxLength: 4 });
    loop.submit(new Answer(sequence, { ...rest, sampler, maxTokens: 2, vocabSize: VOCABULARY }));
  }
  return { loop, read };
}

it("reads the logits of all answers in one go and hands each its own", async () => {
  const rows: number[][] = [];
  const { loop, read } = setUp(3, (logits) => rows.push([...logits]));
  await loop.idle();
  expect(loop.counters).toMatchObject({ steps: 2, promptRows: 6, generatedRows: 3 });
  expect(read).toHaveBeenCalledTimes(2);
  const each = [0, 1, 2].map((i) => Array(VOCABULARY).fill(i));
  expect(rows).toEqual([...each, ...each]);
  // Megabytes of a real vocabulary: into the same memory each time.
  const [first, second] = read.mock.calls.map(([, into]) => into);
  expect(second).toBe(first);
});

it("lets other work have its turn when choosing tokens takes long", async () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  let turns = 0;
  const others = () => {
    turns++;
    if (now < 40) setImmediate(others);
  };
  const seen: number[] = [];
  const { loop } = setUp(4, () => {
    if (seen.length === 0) setImmediate(others);
    seen.push(turns);
    now += 5;
  });
  await loop.idle();
  expect(seen.slice(0, 4)).toEqual([0, 0, 1, 1]);
});
