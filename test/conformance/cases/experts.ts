import type { DType } from "../../../src/tensor/dtype.ts";
import { DTYPES } from "../../../src/tensor/dtype.ts";
import type { Routing } from "../../../src/tensor/program.ts";
import { Recorder } from "../../../src/tensor/recorder.ts";
import { Random } from "../random.ts";
import { ALL_DTYPES, f32Weight, randomWeight } from "../weights.ts";
import { NO_CACHE, plainBatch } from "./batches.ts";
import type { Experiment, OpCase } from "./case.ts";
import { rowCounts } from "./case.ts";

/** Logits on a grid, so that no two differ by so little that rounding decides. */
function spreadLogits(random: Random, rows: number, experts: number): Float32Array {
  const step = 6 / experts;
  const grid = Array.from({ length: experts }, (_, e) => -3 + step * e);
  return Float32Array.from(Array.from({ length: rows }, () => random.shuffled(grid)).flat());
}

interface RoutingTrial {
  readonly name: string;
  readonly experts: number;
  readonly routing: Routing;
  /** Mean of the bias; null for none. */
  readonly bias: number | null;
  readonly seed: number;
  /** Default spreadLogits. */
  readonly logits?: (random: Random, rows: number, experts: number) => Float32Array;
  readonly biasDType?: DType;
}

function routingCase({ name, experts, routing, bias, seed, logits, biasDType = "F32" }: RoutingTrial): OpCase {
  const build = (): Experiment => {
    const random = new Random(seed);
    const g = new Recorder("routeExperts", NO_CACHE);
    const routed = g.routeExperts(g.input("logits", experts), bias === null ? null : biasWeight(random), routing);
    for (const part of ["scores", "ids", "weights"] as const) g.output(part, routed[part]);
    const steps = rowCounts(seed).map((rows) => ({
      batch: plainBatch(rows),
      inputs: { logits: (logits ?? spreadLogits)(random, rows, experts) },
    }));
    return { program: g.finish(), pages: 1, steps };
  };
  const biasWeight = (random: Random) => {
    if (biasDType !== "F32") return randomWeight(random, "bias", biasDType, [experts]);
    return f32Weight("bias", [experts], random.normals(experts, 0.15, bias!));
  };
  const weighted = `${routing.normalize ? "normalised, " : ""}times ${routing.scale}`;
  return {
    op: "routeExperts",
    dtype: biasDType,
    name: `${name}: ${routing.topK} of ${experts}, ${weighted}, rows ${rowCounts(seed)}`,
    build,
  };
}

/** Every combination of scoring, groups, bias and normalisation. */
function routingCombinations(): OpCase[] {
  const groupings: Routing["groups"][] = [
    null,
    { count: 4, topGroups: 2, score: "max" },
    { count: 4, topGroups: 2, score: "sumOfTop2" },
  ];
  const cases: OpCase[] = [];
  for (const scoring of ["softmax", "sigmoid"] as const) {
    for (const groups of groupings) {
      for (const bias of [null, 0, -2]) {
        for (const normalize of [false, true]) {
          const seed = 1000 + cases.length;
          const limits = groups ? `, ${groups.topGroups} of ${groups.count} groups by ${groups.score}` : "";
          const biased = bias === null ? "" : `, bias around ${bias}`;
          const routing = { scoring, topK: 3, groups, normalize, scale: normalize ? 2.5 : 1 };
          cases.push(routingCase({ name: `${scoring}${limits}${biased}`, experts: 16, routing, bias, seed }));
        }
      }
    }
  }
  return cases;
}

function peculiarRoutings(): OpCase[] {
  const plain: Routing = { scoring: "softmax", topK: 2, groups: null, normalize: false, scale: 1 };
  const grouped: Routing = {
    scoring: "sigmoid",
    topK: 4,
    groups: { count: 8, topGroups: 4, score: "sumOfTop2" },
    normalize: true,
    scale: 2.5,
  };
  const fewValues = (random: Random, rows: number, experts: number) =>
    Float32Array.from({ length: rows * experts }, () => random.below(3) - 1);
  const sameBias = (name: string, routing: Routing, experts: number, seed: number) =>
    routingCase({ name, experts, routing, bias: null, seed, logits: fewValues });
  return [
    routingCase({ name: "one expert", experts: 1, routing: { ...plain, topK: 1 }, bias: null, seed: 1100 }),
    routingCase({ name: "all experts", experts: 17, routing: { ...plain, topK: 17 }, bias: null, seed: 1101 }),
    routingCase({ name: "sizes of V3", experts: 256, routing: { ...grouped, topK: 8 }, bias: -1, seed: 1104 }),
    routingCase({
      name: "sizes of V2",
      experts: 160,
      routing: { ...plain, topK: 6, scale: 16 },
      bias: null,
      seed: 1103,
    }),
    routingCase({
      name: "all of the experts of the allowed groups",
      experts: 32,
      routing: { ...grouped, topK: 16 },
      bias: -3,
      seed: 1105,
    }),
    routingCase({ name: "one group", experts: 33, routing: grouped1(grouped), bias: 0, seed: 1106 }),
    routingCase({ name: "bf16 bias", experts: 32, routing: grouped, bias: 0, biasDType: "BF16", seed: 1107 }),
    sameBias("ties between experts", { ...plain, topK: 5 }, 33, 1110),
    sameBias("ties between experts, sigmoid", { ...plain, scoring: "sigmoid", topK: 5, normalize: true }, 64, 1111),
    sameBias("ties between groups and experts", grouped, 64, 1112),
    sameBias(
      "ties between groups by their best",
      { ...grouped, groups: { count: 8, topGroups: 3, score: "max" } },
      32,
      1113,
    ),
    routingCase({
      name: "all logits equal",
      experts: 16,
      routing: { ...plain, topK: 4 },
      bias: null,
      seed: 1114,
      logits: (_, rows, experts) => new Float32Array(rows * experts).fill(0.7),
    }),
    routingCase({
      name: "logits at which exp overflows unless the largest is taken off",
      experts: 15,
      routing: plain,
      bias: null,
      seed: 1115,
      logits: (random, rows, experts) => spreadLogits(random, rows, experts).map((z) => 30 * z + 100),
    }),
  ];
}

function grouped1(routing: Routing): Routing {
  return { ...routing, groups: { count: 1, topGroups: 1, score: "sumOfTop2" } };
}

interface ExpertsTrial {
  readonly name?: string;
  readonly dtype: DType;
  readonly upDType?: DType;
  readonly downDType?: DType;
  readonly experts: number;
  readonly hidden: number;
  readonly inter: number;
  readonly topK: number;
  readonly counts: readonly [number, number];
  readonly seed: number;
  /** Sends all rows to the same experts, or spreads them. */
  readonly crowded?: boolean;
  /** One segment per expert and matrix, as in a checkpoint of Hugging Face. */
  readonly segmented?: boolean;
}

function expertsCase(trial: ExpertsTrial): OpCase {
  const { dtype, upDType = dtype, downDType = dtype, experts, hidden, inter, topK, counts } = trial;
  const shape = `${topK} of ${experts}, ${hidden} to ${inter}, rows ${counts}`;
  const up = upDType === dtype ? "" : `, up ${upDType}`;
  const down = downDType === dtype ? "" : `, down ${downDType}`;
  const name = `${trial.name ? `${trial.name}: ` : ""}${shape}${up}${down}`;
  return { op: "expertsFfn", dtype, name, build: () => expertsExperiment(trial) };
}

function expertsExperiment(trial: ExpertsTrial): Experiment {
  const { dtype, upDType = dtype, downDType = dtype, experts, hidden, inter, topK, counts, crowded, segmented } = trial;
  const random = new Random(trial.seed);
  const g = new Recorder("expertsFfn", NO_CACHE);
  const each = (rows: number) => (segmented ? { segments: new Array<number>(experts).fill(rows) } : {});
  const routing: Routing = { scoring: "sigmoid", topK, groups: null, normalize: true, scale: 2 };
  const route = g.routeExperts(g.input("logits", experts), null, routing);
  const out = g.expertsFfn(g.input("x", hidden), route, {
    gate: randomWeight(random, "gate", dtype, [experts, inter, hidden], each(inter)),
    up: randomWeight(random, "up", upDType, [experts, inter, hidden], each(inter)),
    down: randomWeight(random, "down", downDType, [experts, hidden, inter], each(hidden)),
  });
  g.output("out", out);
  const steps = counts.map((rows) => {
    const logits = spreadLogits(random, rows, experts);
    if (crowded) for (let t = 1; t < rows; t++) logits.copyWithin(t * experts, 0, experts);
    return { batch: plainBatch(rows), inputs: { logits, x: random.normals(rows * hidden) } };
  });
  return { program: g.finish(), pages: 1, steps };
}

function expertsCases(): OpCase[] {
  const sizes = [
    [1, 1],
    [3, 15],
    [16, 17],
    [17, 31],
    [33, 32],
    [63, 16],
    [64, 65],
    [127, 33],
    [129, 64],
  ] as const;
  return [
    ...sizes.map(([hidden, inter], i) =>
      expertsCase({ dtype: "F32", experts: 8, hidden, inter, topK: 1 + (i % 3), counts: rowCounts(i), seed: 1200 + i }),
    ),
    ...ALL_DTYPES.map((dtype, i) => {
      const block = DTYPES[dtype].blockElements;
      const [hidden, inter] = block === 1 ? [33, 17] : block === 256 ? [256, 256] : [2 * block, block];
      return expertsCase({ dtype, experts: 2, hidden, inter, topK: 2, counts: [3, 1], seed: 1220 + i });
    }),
    expertsCase({
      name: "one expert",
      dtype: "F32",
      experts: 1,
      hidden: 16,
      inter: 8,
      topK: 1,
      counts: [3, 1],
      seed: 1260,
    }),
    expertsCase({
      name: "all rows to the same experts",
      crowded: true,
      dtype: "F32",
      experts: 9,
      hidden: 32,
      inter: 24,
      topK: 4,
      counts: [17, 64],
      seed: 1261,
    }),
    expertsCase({
      name: "more experts than rows use",
      dtype: "F32",
      experts: 64,
      hidden: 16,
      inter: 16,
      topK: 6,
      counts: [2, 16],
      seed: 1262,
    }),
    ...(["BF16", "Q8_0", "Q4_K"] as const).map((dtype, i) =>
      expertsCase({
        name: "a segment per expert",
        segmented: true,
        dtype,
        experts: 3,
        hidden: 256,
        inter: 256,
        topK: 1,
        counts: [7, 1] as const,
        seed: 1263 + i,
      }),
    ),
    expertsCase({
      name: "cut scale blocks in every expert",
      segmented: true,
      dtype: "F8_E4M3",
      experts: 3,
      hidden: 130,
      inter: 140,
      topK: 2,
      counts: [3, 1],
      seed: 1266,
    }),
    expertsCase({
      dtype: "Q4_K",
      downDType: "Q6_K",
      experts: 3,
      hidden: 256,
      inter: 256,
      topK: 2,
      counts: [2, 5],
      seed: 1267,
    }),
    // Backends that hold some types in a form of their own: both so held, the second only, the first only.
    ...(
      [
        ["Q4_K", "Q5_K"],
        ["Q2_K", "Q4_K"],
        ["Q8_0", "IQ2_XS"],
      ] as const
    ).map(([dtype, upDType], i) =>
      expertsCase({
        crowded: i > 0,
        dtype,
        upDType,
        experts: 3,
        hidden: 256,
        inter: 256,
        topK: 2,
        counts: [i === 0 ? 5 : 33, 1],
        seed: 1268 + i,
      }),
    ),
  ];
}

export function expertOpCases(): OpCase[] {
  return [...routingCombinations(), ...peculiarRoutings(), ...expertsCases()];
}
