import { ROW_GENERATED } from "../../../src/tensor/backend.ts";
import type { DType } from "../../../src/tensor/dtype.ts";
import { DTYPES } from "../../../src/tensor/dtype.ts";
import type { CacheDType, CacheField, CacheFieldName, KvBKeyLayout, Value } from "../../../src/tensor/program.ts";
import { Recorder } from "../../../src/tensor/recorder.ts";
import { Random } from "../random.ts";
import { ALL_DTYPES, randomWeight, type WeightOptions } from "../weights.ts";
import { batchOf, type Run } from "./batches.ts";
import type { Experiment, OpCase } from "./case.ts";
import { SIZES } from "./case.ts";

/** The steps of a case: each a list of runs. */
type Plan = readonly (readonly Run[])[];

const GENERATED = { kind: ROW_GENERATED };

const PLANS = {
  "a prompt at once": [[{ sequence: 0, from: 0, count: 21 }]],
  "a prompt in chunks": [
    [{ sequence: 0, from: 0, count: 1 }],
    [{ sequence: 0, from: 1, count: 16 }],
    [{ sequence: 0, from: 17, count: 4 }],
  ],
  "a prompt, then token by token": [
    [{ sequence: 0, from: 0, count: 15 }],
    [{ sequence: 0, from: 15, count: 1, ...GENERATED }],
    [{ sequence: 0, from: 16, count: 1, ...GENERATED }],
  ],
  "prompts, generated tokens and drafts of three sequences in one step": [
    [
      { sequence: 0, from: 0, count: 19 },
      { sequence: 1, from: 0, count: 5 },
    ],
    [
      { sequence: 1, from: 5, count: 12 },
      { sequence: 0, from: 19, count: 1, ...GENERATED },
      { sequence: 2, from: 0, count: 3 },
    ],
    [
      { sequence: 2, from: 3, count: 1, ...GENERATED },
      { sequence: 0, from: 20, count: 4, ...GENERATED },
      { sequence: 1, from: 17, count: 1, ...GENERATED },
    ],
  ],
  "past position 256": [
    [{ sequence: 0, from: 0, count: 250 }],
    [{ sequence: 0, from: 250, count: 9 }],
    [{ sequence: 0, from: 259, count: 2, ...GENERATED }],
  ],
  "past position 1024": [
    [{ sequence: 0, from: 0, count: 700 }],
    [{ sequence: 0, from: 700, count: 340 }],
    [{ sequence: 0, from: 1040, count: 2, ...GENERATED }],
  ],
} as const satisfies Record<string, Plan>;

type PlanName = keyof typeof PLANS;
/** For few cases, since its rows are many. */
const LONG: PlanName = "past position 1024";
const PLAN_NAMES = (Object.keys(PLANS) as PlanName[]).filter((name) => name !== LONG);
/** The plan for cases that are about something else. */
const BRIEF: PlanName = "a prompt, then token by token";

interface CacheTrial {
  readonly layout: Partial<Record<CacheFieldName, number>>;
  /** Row dimensions of each input. */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly record: (g: Recorder, x: Record<string, Value>, random: Random) => void;
  readonly plan: Plan;
  readonly seed: number;
  readonly pageSize?: number;
  /** Of the cache; default f32. */
  readonly cacheDType?: CacheDType;
  /** Values of an input; default standard normal. */
  readonly values?: (random: Random, count: number, name: string) => Float32Array;
}

/** Runs a plan with the sequences' pages shuffled in the cache. Layer 0 of the cache is a decoy with a field of its own. */
function cacheExperiment({
  layout,
  inputs,
  record,
  plan,
  seed,
  pageSize = 8,
  cacheDType = "f32",
  values,
}: CacheTrial): Experiment {
  const random = new Random(seed);
  const fields = Object.entries(layout).map(([name, width]): CacheField => {
    return { name: name as CacheFieldName, width, dtype: cacheDType };
  });
  const g = new Recorder("attention", { pageSize, layers: [[{ name: "key", width: 4, dtype: "f32" }], fields] });
  record(g, Object.fromEntries(Object.entries(inputs).map(([name, dims]) => [name, g.input(name, ...dims)])), random);

  const { tables, pages } = shuffledPages(random, plan, pageSize);
  const draw = values ?? ((r, count) => r.normals(count));
  const steps = plan.map((runs) => {
    const rows = runs.reduce((sum, run) => sum + run.count, 0);
    const buffers = Object.entries(inputs).map(([name, dims]) => {
      return [name, draw(random, rows * dims.reduce((a, b) => a * b, 1), name)] as const;
    });
    return { batch: batchOf(runs, tables), inputs: Object.fromEntries(buffers) };
  });
  return { program: g.finish(), pages, steps };
}

/** Block tables in which neighbouring positions lie anywhere in the cache, and a few pages that nobody owns. */
function shuffledPages(random: Random, plan: Plan, pageSize: number): { tables: Int32Array[]; pages: number } {
  const lengths: number[] = [];
  for (const { sequence, from, count } of plan.flat()) {
    lengths[sequence] = Math.max(lengths[sequence] ?? 0, from + count);
  }
  const counts = lengths.map((length) => Math.ceil(length / pageSize));
  const pages = counts.reduce((a, b) => a + b, 0) + 3;
  const ids = random.shuffled(Array.from({ length: pages }, (_, i) => i));
  return { tables: counts.map((count) => Int32Array.from(ids.splice(0, count))), pages };
}

const LAYER = 1;
/** Types of a cache that round. The truth has the rounded values, so that the tolerances are those of f32. */
const ROUNDED = ["f16", "q8_0"] as const;

interface MlaTrial {
  readonly heads: number;
  readonly nope: number;
  readonly rope: number;
  readonly latent: number;
  readonly v: number;
  readonly keyLayout: KvBKeyLayout;
  readonly dtype: DType;
  readonly plan: PlanName;
  readonly seed: number;
  readonly pageSize?: number;
  readonly scale?: number;
  readonly about?: string;
  readonly cacheDType?: CacheDType;
  readonly keyOptions?: WeightOptions;
  /** Attend to this many positions that an indexer chooses. */
  readonly topK?: number;
}

function mlaCase(trial: MlaTrial): OpCase {
  const { heads, nope, rope, latent, v, keyLayout, dtype, plan, about, topK } = trial;
  const shape = `${heads} heads, nope ${nope}, rope ${rope}, latent ${latent}, v ${v}, ${keyLayout}`;
  const chosen = topK === undefined ? "" : `, ${topK} selected positions`;
  const name = `${plan}: ${shape}${chosen}${about ? `, ${about}` : ""}`;
  return { op: "mlaAttention", dtype, name, build: () => mlaExperiment(trial) };
}

function mlaExperiment(trial: MlaTrial): Experiment {
  const { heads, nope, rope, latent, v, keyLayout, dtype, topK } = trial;
  const indexer = { layout: { indexKey: 16 }, inputs: { indexKey: [16], indexQ: [2, 16], indexWeights: [2] } };
  return cacheExperiment({
    layout: { latent, kRope: rope, ...(topK === undefined ? {} : indexer.layout) },
    inputs: {
      qNope: [heads, nope],
      qRope: [heads, rope],
      latent: [latent],
      kRope: [rope],
      ...(topK === undefined ? {} : indexer.inputs),
    },
    plan: PLANS[trial.plan],
    seed: trial.seed,
    pageSize: trial.pageSize,
    cacheDType: trial.cacheDType,
    record: (g, x, random) => {
      const keyShape = keyLayout === "nopeMajor" ? [heads, nope, latent] : [heads, latent, nope];
      const key = randomWeight(random, "kvBKey", dtype, keyShape, trial.keyOptions);
      const value = randomWeight(random, "kvBValue", dtype, [heads, v, latent]);
      g.cacheWrite(LAYER, "latent", x.latent!);
      g.cacheWrite(LAYER, "kRope", x.kRope!);
      let selection: Value | null = null;
      if (topK !== undefined) {
        g.cacheWrite(LAYER, "indexKey", x.indexKey!);
        selection = g.indexerSelect(LAYER, x.indexQ!, x.indexWeights!, topK);
        g.output("selection", selection);
      }
      const scale = trial.scale ?? (nope + rope) ** -0.5;
      g.output("out", g.mlaAttention(LAYER, x.qNope!, x.qRope!, { key, keyLayout, value }, scale, selection));
    },
  });
}

function mlaCases(): OpCase[] {
  const layouts = ["nopeMajor", "latentMajor"] as const;
  const small = { heads: 3, nope: 6, rope: 4, latent: 9, v: 5, dtype: "F32" as DType };
  const shapes = [
    { heads: 1, nope: 1, rope: 2, latent: 1, v: 1 },
    { heads: 2, nope: 15, rope: 4, latent: 17, v: 16 },
    { heads: 4, nope: 16, rope: 16, latent: 31, v: 33 },
    { heads: 5, nope: 33, rope: 8, latent: 32, v: 15 },
    { heads: 16, nope: 16, rope: 2, latent: 65, v: 3 },
    { heads: 2, nope: 64, rope: 32, latent: 129, v: 65 },
    { heads: 17, nope: 3, rope: 30, latent: 16, v: 17 },
    { heads: 40, nope: 8, rope: 32, latent: 32, v: 20 },
    { heads: 18, nope: 32, rope: 32, latent: 96, v: 20 },
    { heads: 1, nope: 128, rope: 64, latent: 512, v: 128 },
  ];
  return [
    ...([...ROUNDED, undefined] as const).map((cacheDType, i) => {
      const whole = { heads: 2, nope: 6, rope: 32, latent: 32, v: 5, dtype: "F32" as DType };
      const about = cacheDType && `${cacheDType} cache`;
      return mlaCase({ ...whole, keyLayout: "latentMajor", plan: LONG, cacheDType, seed: 1290 + i, about });
    }),
    ...ROUNDED.flatMap((cacheDType, i) => [
      ...PLAN_NAMES.flatMap((plan, k) => {
        const trial = { ...small, plan, cacheDType, about: `${cacheDType} cache` };
        const seed = 1390 + 20 * i + k;
        return [
          mlaCase({ ...trial, keyLayout: "nopeMajor", seed }),
          mlaCase({ ...trial, keyLayout: "latentMajor", seed: seed + 5, topK: 5 }),
        ];
      }),
      ...shapes.map((shape, k) =>
        mlaCase({
          ...shape,
          dtype: "F32",
          keyLayout: "latentMajor",
          plan: BRIEF,
          cacheDType,
          seed: 1400 + 20 * i + k,
          about: `${cacheDType} cache`,
        }),
      ),
    ]),
    ...layouts.flatMap((keyLayout) => [
      ...PLAN_NAMES.map((plan, i) => mlaCase({ ...small, keyLayout, plan, seed: 1300 + i })),
      ...PLAN_NAMES.map((plan, i) => mlaCase({ ...small, keyLayout, plan, seed: 1310 + i, topK: 5 })),
      ...shapes.map((shape, i) => mlaCase({ ...shape, dtype: "F32", keyLayout, plan: BRIEF, seed: 1320 + i })),
    ]),
    ...ALL_DTYPES.flatMap((dtype, i) => {
      const block = DTYPES[dtype].blockElements;
      const latent = block === 1 ? 33 : block === 256 ? 256 : 2 * block;
      const heads = block === 256 ? 1 : 2;
      const shape = { heads, rope: 4, latent, v: 16, dtype, plan: BRIEF, seed: 1340 + i };
      // The rows of a latentMajor key are of length nope, and have to be whole blocks too.
      const wide = { nope: block === 1 ? 20 : block, scale: 0.02 };
      return [
        mlaCase({ ...shape, nope: 20, keyLayout: "nopeMajor" }),
        mlaCase({ ...shape, ...wide, keyLayout: "latentMajor" }),
      ];
    }),
    mlaCase({ ...small, keyLayout: "nopeMajor", plan: BRIEF, seed: 1380, pageSize: 1, about: "a page per position" }),
    mlaCase({
      ...small,
      keyLayout: "nopeMajor",
      plan: "past position 256",
      seed: 1381,
      pageSize: 64,
      about: "large pages",
    }),
    mlaCase({ ...small, keyLayout: "nopeMajor", plan: BRIEF, seed: 1382, scale: 40, about: "scores past exp's range" }),
    mlaCase({ ...small, keyLayout: "nopeMajor", plan: BRIEF, seed: 1383, topK: 64, about: "more than there are" }),
    mlaCase({
      ...small,
      dtype: "F8_E4M3",
      keyLayout: "nopeMajor",
      plan: BRIEF,
      seed: 1384,
      about: "a segment per head cut from one matrix",
      keyOptions: { segments: [6, 6, 6], firstRows: [120, 131, 142] },
    }),
  ];
}

interface GqaTrial {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly plan: PlanName;
  readonly seed: number;
  readonly scale?: number;
  readonly pageSize?: number;
  readonly cacheDType?: CacheDType;
  readonly about?: string;
}

function gqaCase({ heads, kvHeads, headDim, plan, seed, scale, pageSize, cacheDType, about }: GqaTrial): OpCase {
  const build = () =>
    cacheExperiment({
      layout: { key: kvHeads * headDim, value: kvHeads * headDim },
      inputs: { q: [heads, headDim], key: [kvHeads, headDim], value: [kvHeads * headDim] },
      plan: PLANS[plan],
      seed,
      pageSize,
      cacheDType,
      record: (g, x) => {
        g.cacheWrite(LAYER, "key", x.key!);
        g.cacheWrite(LAYER, "value", x.value!);
        g.output("out", g.gqaAttention(LAYER, x.q!, kvHeads, scale ?? headDim ** -0.5));
      },
    });
  const name = `${plan}: ${heads} heads on ${kvHeads} of ${headDim}${about ? `, ${about}` : ""}`;
  return { op: "gqaAttention", dtype: null, name, build };
}

function gqaCases(): OpCase[] {
  const shapes = [
    [1, 1, 1],
    [4, 1, 3],
    [6, 2, 16],
    [4, 4, 17],
    [8, 2, 33],
    [14, 2, 64],
    [3, 3, 65],
    [9, 3, 64],
    [2, 1, 128],
    [16, 1, 80],
    [2, 2, 257],
  ] as const;
  const small = { heads: 4, kvHeads: 2, headDim: 10 };
  return [
    ...PLAN_NAMES.map((plan, i) => gqaCase({ ...small, plan, seed: 1400 + i })),
    ...ROUNDED.flatMap((cacheDType, i) => [
      ...PLAN_NAMES.map((plan, k) =>
        gqaCase({ ...small, plan, cacheDType, seed: 1440 + 20 * i + k, about: `${cacheDType} cache` }),
      ),
      ...shapes.map(([heads, kvHeads, headDim], k) =>
        gqaCase({
          heads,
          kvHeads,
          headDim,
          plan: BRIEF,
          cacheDType,
          seed: 1446 + 20 * i + k,
          about: `${cacheDType} cache`,
        }),
      ),
    ]),
    ...shapes.map(([heads, kvHeads, headDim], i) => gqaCase({ heads, kvHeads, headDim, plan: BRIEF, seed: 1410 + i })),
    gqaCase({ ...small, plan: BRIEF, seed: 1430, pageSize: 1, about: "a page per position" }),
    gqaCase({ ...small, plan: "past position 256", seed: 1431, pageSize: 128, about: "large pages" }),
    gqaCase({ ...small, plan: BRIEF, seed: 1432, scale: 40, about: "scores past exp's range" }),
  ];
}

interface IndexerTrial {
  readonly heads: number;
  readonly headDim: number;
  readonly topK: number;
  readonly plan: PlanName;
  readonly seed: number;
  readonly about?: string;
  readonly values?: CacheTrial["values"];
}

function indexerCase({ heads, headDim, topK, plan, seed, about, values }: IndexerTrial): OpCase {
  const build = () =>
    cacheExperiment({
      layout: { indexKey: headDim },
      inputs: { indexKey: [headDim], q: [heads, headDim], headWeights: [heads] },
      plan: PLANS[plan],
      seed,
      values,
      record: (g, x) => {
        g.cacheWrite(LAYER, "indexKey", x.indexKey!);
        g.output("selection", g.indexerSelect(LAYER, x.q!, x.headWeights!, topK));
      },
    });
  const name = `${plan}: best ${topK}, ${heads} heads of ${headDim}${about ? `, ${about}` : ""}`;
  return { op: "indexerSelect", dtype: null, name, build };
}

function indexerCases(): OpCase[] {
  // Small integers: sums are exact in any order, so that equal scores are ties on every backend.
  const integers = (random: Random, count: number) => Float32Array.from({ length: count }, () => random.below(3) - 1);
  const opposed = (_: Random, count: number, name: string) =>
    new Float32Array(count).fill(name === "indexKey" ? -1 : 1);
  const small = { heads: 4, headDim: 12, topK: 5 };
  const shapes = [
    [1, 1, 1],
    [3, 17, 7],
    [16, 16, 16],
    [2, 33, 2],
    [64, 128, 8],
  ] as const;
  return [
    ...PLAN_NAMES.map((plan, i) => indexerCase({ ...small, plan, seed: 1500 + i })),
    ...PLAN_NAMES.map((plan, i) =>
      indexerCase({ ...small, plan, seed: 1510 + i, values: integers, about: "many ties" }),
    ),
    ...shapes.map(([heads, headDim, topK], i) => indexerCase({ heads, headDim, topK, plan: BRIEF, seed: 1520 + i })),
    indexerCase({ ...small, plan: BRIEF, seed: 1530, values: opposed, about: "all scores zero" }),
    indexerCase({ ...small, topK: 64, plan: "a prompt at once", seed: 1531, about: "more than there are" }),
  ];
}

/** Rows of many sequences, each at position 0, so that attention gives back the very value that was written. */
function cacheWriteCases(): OpCase[] {
  return (["f32", ...ROUNDED] as const).flatMap((cacheDType) =>
    SIZES.map((width, i) => {
      const rows = [3, 17, 1, 64][i % 4]!;
      const runs = Array.from({ length: rows }, (_, sequence): Run => ({ sequence, from: 0, count: 1 }));
      const build = () =>
        cacheExperiment({
          layout: { value: width, key: width },
          inputs: { q: [1, width], key: [width], value: [width] },
          // Twice: the second time over what is there.
          plan: [runs, runs],
          seed: 1600 + i,
          pageSize: 4,
          cacheDType,
          record: (g, x) => {
            g.cacheWrite(LAYER, "key", x.key!);
            g.cacheWrite(LAYER, "value", x.value!);
            g.output("out", g.gqaAttention(LAYER, x.q!, 1, 1));
          },
        });
      return {
        op: "cacheWrite",
        dtype: null,
        name: `${rows} sequences, rows of ${width}, twice, ${cacheDType} cache`,
        build,
      };
    }),
  );
}

export function attentionCases(): OpCase[] {
  return [...cacheWriteCases(), ...mlaCases(), ...gqaCases(), ...indexerCases()];
}
