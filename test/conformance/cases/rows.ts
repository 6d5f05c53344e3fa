import type { DType } from "../../../src/tensor/dtype.ts";
import { DTYPES } from "../../../src/tensor/dtype.ts";
import type { OpKind, Value } from "../../../src/tensor/program.ts";
import { Recorder } from "../../../src/tensor/recorder.ts";
import { Random } from "../random.ts";
import { ALL_DTYPES, randomWeight } from "../weights.ts";
import { NO_CACHE, plainBatch } from "./batches.ts";
import type { Experiment, OpCase } from "./case.ts";
import { rowCounts, SIZES, sizeAt } from "./case.ts";

// Ops that look at one row at a time.

/** What an op without attention is tried on: its inputs by name with the dimensions of a row. */
interface RowTrial {
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly counts: readonly [number, number];
  readonly record: (g: Recorder, x: Record<string, Value>, random: Random) => void;
  /** Values of the inputs; default standard normal. */
  readonly values?: (random: Random, count: number) => Float32Array;
}

function rowCase(op: OpKind, dtype: DType | null, name: string, seed: number, trial: RowTrial): OpCase {
  return { op, dtype, name, build: () => rowExperiment(op, seed, trial) };
}

function rowExperiment(op: OpKind, seed: number, { inputs, counts, record, values }: RowTrial): Experiment {
  const random = new Random(seed);
  const draw = values ?? ((r, count) => r.normals(count));
  const g = new Recorder(op, NO_CACHE);
  const widths = Object.entries(inputs).map(([name, dims]) => [name, dims.reduce((a, b) => a * b, 1)] as const);
  record(g, Object.fromEntries(Object.entries(inputs).map(([name, dims]) => [name, g.input(name, ...dims)])), random);
  const steps = counts.map((rows) => ({
    batch: plainBatch(rows),
    inputs: Object.fromEntries(widths.map(([name, width]) => [name, draw(random, rows * width)])),
  }));
  return { program: g.finish(), pages: 1, steps };
}

/** A row of at least `wish` elements that is whole blocks of the type. */
function wholeBlocks(dtype: DType, wish: number): number {
  const { blockElements } = DTYPES[dtype];
  return Math.ceil(wish / blockElements) * blockElements;
}

function embedCases(): OpCase[] {
  const trials = [
    ...SIZES.map((width, i) => ({ dtype: "F32" as DType, width, vocab: sizeAt(3 * i + 2), seed: i })),
    ...ALL_DTYPES.map((dtype, i) => ({ dtype, width: wholeBlocks(dtype, 513), vocab: 9, seed: 100 + i })),
  ];
  return trials.map(({ dtype, width, vocab, seed }): OpCase => {
    const build = (): Experiment => {
      const random = new Random(seed);
      const g = new Recorder("embed", NO_CACHE);
      const segments = [1, vocab - 1].filter((n) => n > 0);
      g.output("out", g.embed(randomWeight(random, "table", dtype, [vocab, width], { segments })));
      const steps = rowCounts(seed).map((rows) => {
        // The last token, the first, and any others, some of them twice.
        const tokens = Array.from({ length: rows }, (_, t) =>
          t === 0 ? vocab - 1 : t === 1 ? 0 : random.below(vocab),
        );
        return { batch: plainBatch(rows, { tokens }), inputs: {} };
      });
      return { program: g.finish(), pages: 1, steps };
    };
    return { op: "embed", dtype, name: `${vocab} tokens of ${width}, rows ${rowCounts(seed)}`, build };
  });
}

function normCases(): OpCase[] {
  const magnitudes = { ordinary: 1, "so small that eps rules": 1e-4, large: 1e4 };
  const cases: OpCase[] = [];
  for (const [i, width] of SIZES.entries()) {
    cases.push(normCase("rmsNorm", "F32", [width], 1, `${width}`, 200 + i));
    // A single element has no variance to divide by.
    if (width > 1) cases.push(normCase("layerNorm", "F32", [width], 1, `${width}`, 200 + i));
  }
  for (const op of ["rmsNorm", "layerNorm"] as const) {
    for (const [size, magnitude] of Object.entries(magnitudes)) {
      cases.push(normCase(op, "F32", [48], magnitude, `48, ${size} values`, 230));
    }
    cases.push(normCase(op, "F32", [3, 33], 1, "each of 3 heads of 33", 231));
    for (const dtype of ["F16", "BF16"] as const) cases.push(normCase(op, dtype, [65], 1, "65", 232));
  }
  return cases;
}

function normCase(
  op: "rmsNorm" | "layerNorm",
  dtype: DType,
  dims: readonly number[],
  magnitude: number,
  name: string,
  seed: number,
): OpCase {
  const width = dims[dims.length - 1]!;
  const eps = seed % 2 === 0 ? 1e-6 : 1e-5;
  return rowCase(op, dtype, `${name}, eps ${eps}, rows ${rowCounts(seed)}`, seed, {
    inputs: { x: dims },
    counts: rowCounts(seed),
    values: (random, count) => random.normals(count, magnitude, op === "layerNorm" ? 2 * magnitude : 0),
    record: (g, { x }, random) => {
      const weight = randomWeight(random, "weight", dtype, [width]);
      const bias = randomWeight(random, "bias", dtype, [width]);
      g.output("out", op === "rmsNorm" ? g.rmsNorm(x!, weight, eps) : g.layerNorm(x!, weight, bias, eps));
    },
  });
}

function ropeCases(): OpCase[] {
  const shapes = [[2], [4], [6], [16], [30], [32], [34], [64], [66], [128], [1, 64], [3, 2], [5, 34], [16, 64]];
  const cases = (["adjacent", "half"] as const).flatMap((pairs) =>
    shapes.map((dims, i) =>
      rowCase("rope", null, `${pairs} pairs of [${dims}], rows ${rowCounts(i)}`, 300 + i, {
        inputs: { x: dims },
        counts: rowCounts(i),
        record: (g, { x }) => {
          const magnitude = i % 3 === 0 ? 1.2 : 1;
          g.output("out", g.rope(x!, pairs, { frequencies: frequencies(dims[dims.length - 1]!), magnitude }));
        },
      }),
    ),
  );
  for (const pairs of ["adjacent", "half"] as const) {
    cases.push({ op: "rope", dtype: null, name: `${pairs} pairs far into a long text`, build: () => farRope(pairs) });
  }
  return cases;
}

function frequencies(width: number): number[] {
  return Array.from({ length: width / 2 }, (_, j) => 10000 ** ((-2 * j) / width));
}

/** Positions at which an angle computed in f32 is off by more than the tolerance. */
function farRope(pairs: "adjacent" | "half"): Experiment {
  const random = new Random(330);
  const g = new Recorder("rope", NO_CACHE);
  g.output("out", g.rope(g.input("x", 2, 64), pairs, { frequencies: frequencies(64), magnitude: 1 }));
  const steps = [
    [0, 1, 4095, 4096, 65535],
    [99_999, 131_071, 163_839],
  ].map((positions) => ({
    batch: { ...plainBatch(positions.length), positions: Int32Array.from(positions) },
    inputs: { x: random.normals(positions.length * 2 * 64) },
  }));
  return { program: g.finish(), pages: 1, steps };
}

function splitAndConcatCases(): OpCase[] {
  const parts = [[1], [1, 2], [15, 17], [16, 16, 33], [128, 64], [64, 1, 63, 129], [255, 257]];
  return parts.flatMap((sizes, i) => {
    const lead = i % 2 === 0 ? [] : [1 + i];
    const total = sizes.reduce((a, b) => a + b, 0);
    const seed = 400 + i;
    const name = `[${[...lead, sizes.join(" + ")]}], rows ${rowCounts(i)}`;
    return [
      rowCase("split", null, name, seed, {
        inputs: { x: [...lead, total] },
        counts: rowCounts(i),
        record: (g, { x }) => {
          for (const [k, part] of g.split(x!, sizes).entries()) g.output(`part${k}`, part);
        },
      }),
      rowCase("concat", null, name, seed, {
        inputs: Object.fromEntries(sizes.map((size, k) => [`x${k}`, [...lead, size]])),
        counts: rowCounts(i),
        record: (g, inputs) => g.output("out", g.concat(Object.values(inputs))),
      }),
    ];
  });
}

function pairwiseCases(): OpCase[] {
  const shapes = [...SIZES.map((size) => [size]), [3, 17]];
  const cases = shapes.flatMap((dims, i) => [
    rowCase("add", null, `[${dims}], rows ${rowCounts(i)}`, 500 + i, {
      inputs: { a: dims, b: dims },
      counts: rowCounts(i),
      record: (g, { a, b }) => g.output("out", g.add(a!, b!)),
    }),
    rowCase("swiglu", null, `[${dims}], rows ${rowCounts(i)}`, 520 + i, {
      inputs: { gate: dims, up: dims },
      counts: rowCounts(i),
      values: (random, count) => random.normals(count, 3),
      record: (g, { gate, up }) => g.output("out", g.swiglu(gate!, up!)),
    }),
  ]);
  const gates = [0, -0, 1e-30, 20, -20, 87, -87, 89, -89, 104, -104, 1000, -1000, 3e4, -3e4];
  cases.push(
    rowCase("swiglu", null, "gates at which exp overflows or vanishes", 540, {
      inputs: { gate: [gates.length], up: [gates.length] },
      counts: [1, 3],
      values: (random, count) =>
        Float32Array.from({ length: count }, (_, i) => gates[(i + random.below(2)) % gates.length]!),
      record: (g, { gate, up }) => g.output("out", g.swiglu(gate!, up!)),
    }),
    rowCase("add", null, "a value to itself", 541, {
      inputs: { a: [33] },
      counts: [3, 1],
      record: (g, { a }) => g.output("out", g.add(a!, a!)),
    }),
  );
  return cases;
}

function gatherCases(): OpCase[] {
  const picks = [
    {
      width: 1,
      steps: [
        { rows: 1, logitRows: [0] },
        { rows: 3, logitRows: [2] },
      ],
    },
    {
      width: 33,
      steps: [
        { rows: 17, logitRows: [0, 1, 8, 15, 16] },
        { rows: 2, logitRows: [] },
      ],
    },
    {
      width: 128,
      steps: [
        { rows: 5, logitRows: [] },
        { rows: 7, logitRows: [0, 1, 2, 3, 4, 5, 6] },
      ],
    },
    {
      width: 257,
      steps: [
        { rows: 64, logitRows: [63] },
        { rows: 16, logitRows: [3, 9] },
      ],
    },
  ];
  return picks.map(({ width, steps }, i) => ({
    op: "gatherRows",
    dtype: null,
    name: `of ${width}, rows ${steps.map((s) => `[${s.logitRows}] of ${s.rows}`).join(", then ")}`,
    build: () => {
      const random = new Random(600 + i);
      const g = new Recorder("gatherRows", NO_CACHE);
      g.output("out", g.gatherRows(g.input("x", width)));
      return {
        program: g.finish(),
        pages: 1,
        steps: steps.map(({ rows, logitRows }) => ({
          batch: plainBatch(rows, { logitRows }),
          inputs: { x: random.normals(rows * width) },
        })),
      };
    },
  }));
}

export function rowOpCases(): OpCase[] {
  return [
    ...embedCases(),
    ...normCases(),
    ...ropeCases(),
    ...splitAndConcatCases(),
    ...pairwiseCases(),
    ...gatherCases(),
  ];
}
