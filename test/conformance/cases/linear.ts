import type { DType } from "../../../src/tensor/dtype.ts";
import { DTYPES } from "../../../src/tensor/dtype.ts";
import { Recorder } from "../../../src/tensor/recorder.ts";
import { Random } from "../random.ts";
import { ALL_DTYPES, randomWeight, type WeightOptions } from "../weights.ts";
import { NO_CACHE, plainBatch } from "./batches.ts";
import type { Experiment, OpCase } from "./case.ts";
import { rowCounts, SIZES, sizeAt } from "./case.ts";

interface LinearTrial {
  readonly dtype: DType;
  /** Dimensions of a row of x. */
  readonly input: readonly number[];
  readonly out: number;
  /** Dimensions in which the result is seen. */
  readonly dims?: readonly number[];
  readonly bias?: DType;
  readonly counts: readonly [number, number];
  readonly seed: number;
  readonly weight?: WeightOptions;
  readonly about?: string;
}

function linearCase(trial: LinearTrial): OpCase {
  const { dtype, input, out, dims, bias, counts, about } = trial;
  const details = [bias && `bias ${bias}`, about].filter(Boolean).map((text) => `, ${text}`);
  const name = `[${input}] to ${dims ? `[${dims}]` : out}${details.join("")}, rows ${counts}`;
  return { op: "linear", dtype, name, build: () => linearExperiment(trial) };
}

function linearExperiment({ dtype, input, out, dims, bias, counts, seed, weight }: LinearTrial): Experiment {
  const random = new Random(seed);
  const width = input.reduce((a, b) => a * b, 1);
  const g = new Recorder("linear", NO_CACHE);
  const matrix = randomWeight(random, "weight", dtype, [out, width], weight);
  const vector = bias ? randomWeight(random, "bias", bias, [out]) : null;
  g.output("out", g.linear(g.input("x", ...input), matrix, { bias: vector, dims }));
  const steps = counts.map((rows) => ({ batch: plainBatch(rows), inputs: { x: random.normals(rows * width) } }));
  return { program: g.finish(), pages: 1, steps };
}

/** Every size as input and as output width, against all row counts. */
function floatCases(): OpCase[] {
  const wide = SIZES.map((size, i) =>
    linearCase({ dtype: "F32", input: [size], out: sizeAt(5 * i + 3), counts: rowCounts(i), seed: 700 + i }),
  );
  const narrow = (["F16", "BF16", "F8_E4M3"] as const).flatMap((dtype, k) =>
    [1, 15, 17, 33, 64, 129, 257].map((size, i) =>
      linearCase({ dtype, input: [size], out: sizeAt(7 * i + k), counts: rowCounts(i + k), seed: 720 + i }),
    ),
  );
  return [...wide, ...narrow];
}

/** One, two, three and five blocks a row. */
function blockCases(): OpCase[] {
  return ALL_DTYPES.filter((dtype) => DTYPES[dtype].blockElements > 1).flatMap((dtype, k) =>
    [1, 2, 3, 5].map((blocks, i) =>
      linearCase({
        dtype,
        input: [blocks * DTYPES[dtype].blockElements],
        out: [1, 16, 33, 67][(i + k) % 4]!,
        counts: rowCounts(i + k),
        seed: 800 + 4 * k + i,
      }),
    ),
  );
}

function peculiarCases(): OpCase[] {
  return [
    linearCase({ dtype: "F32", input: [4, 17], out: 33, counts: [3, 1], seed: 900 }),
    linearCase({ dtype: "F32", input: [32], out: 48, dims: [3, 16], bias: "F32", counts: [2, 17], seed: 901 }),
    linearCase({ dtype: "BF16", input: [65], out: 31, bias: "BF16", counts: [7, 1], seed: 902 }),
    linearCase({ dtype: "F16", input: [31], out: 65, bias: "F16", counts: [1, 7], seed: 903 }),
    linearCase({ dtype: "Q8_0", input: [64], out: 33, bias: "F32", counts: [17, 3], seed: 904 }),
    ...(["F32", "BF16", "Q4_0", "Q4_K", "Q6_K"] as const).map((dtype, i) =>
      linearCase({
        dtype,
        input: [256],
        out: 41,
        weight: { segments: [1, 15, 25] },
        about: "in three segments",
        counts: [16, 2],
        seed: 910 + i,
      }),
    ),
    ...[
      { about: "block scales, the last ones cut", input: 300, out: 200, weight: {} },
      { about: "block scales of 16 x 32", input: 80, out: 40, weight: { scaleBlock: [16, 32] as const } },
      { about: "rows from the middle of a matrix", input: 130, out: 140, weight: { firstRows: [100] } },
      {
        about: "segments cut anywhere from one matrix",
        input: 129,
        out: 60,
        weight: { segments: [20, 30, 10], firstRows: [120, 0, 255] },
      },
    ].map(({ about, input, out, weight }, i) =>
      linearCase({ dtype: "F8_E4M3", input: [input], out, weight, about, counts: [3, 17], seed: 920 + i }),
    ),
  ];
}

/** The embedding table as output matrix: one weight, looked up by row and multiplied, in one Program. */
function tiedCase(dtype: DType, seed: number): OpCase {
  const build = (): Experiment => {
    const random = new Random(seed);
    const [vocab, width] = [37, 256];
    const g = new Recorder("tied", NO_CACHE);
    const table = randomWeight(random, "table", dtype, [vocab, width]);
    g.output("embedded", g.embed(table));
    g.output("logits", g.linear(g.input("x", width), table));
    const steps = [3, 17].map((rows) => ({
      batch: plainBatch(rows, { tokens: Array.from({ length: rows }, () => random.below(vocab)) }),
      inputs: { x: random.normals(rows * width) },
    }));
    return { program: g.finish(), pages: 1, steps };
  };
  return { op: "linear", dtype, name: "with a table that is looked up too", build };
}

export function linearCases(): OpCase[] {
  const tied = ALL_DTYPES.map((dtype, i) => tiedCase(dtype, 940 + i));
  return [...floatCases(), ...blockCases(), ...peculiarCases(), ...tied];
}
