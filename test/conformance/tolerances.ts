import type { Numerics } from "../../src/tensor/backend.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import type { OpKind } from "../../src/tensor/program.ts";

/** How far an op may be off, in units of ε · scale: see expect-close.ts. docs/NUMERICS.md shows this table. */
export interface Tolerance {
  readonly op: OpKind;
  /** Of the weights it is about; empty for an op without weights. */
  readonly dtypes: readonly DType[];
  readonly epsilons: number;
  readonly reason: string;
}

const FLOATS: readonly DType[] = ["F32", "F16", "BF16"];
/** One scale times a code: a single rounding, so every order of the operations gives the same bits. */
const ONE_SCALE: readonly DType[] = [
  "F8_E4M3",
  "Q4_0",
  "Q5_0",
  "Q8_0",
  "IQ4_NL",
  "TQ1_0",
  "TQ2_0",
  "MXFP4",
  "Q1_0",
  "Q2_0",
];
/** A product of scales times a code. */
const TWO_SCALES: readonly DType[] = [
  "Q3_K",
  "Q6_K",
  "IQ1_S",
  "IQ1_M",
  "IQ2_XXS",
  "IQ2_XS",
  "IQ2_S",
  "IQ3_XXS",
  "IQ3_S",
  "IQ4_XS",
  "NVFP4",
];
/** scale * code - minimum. */
const WITH_MINIMUM: readonly DType[] = ["Q4_1", "Q5_1", "Q2_K", "Q4_K", "Q5_K"];

const EXACT: readonly Tolerance[] = [
  row("embed", FLOATS, 0, "a copy; widening to f32 is exact"),
  row("embed", ONE_SCALE, 0, "one product, rounded once"),
  row("embed", TWO_SCALES, 2, "two products, which may be rounded in either order"),
  row("embed", WITH_MINIMUM, 2, "product and difference may be fused; scale is the largest element of the row"),
  row("rmsNorm", FLOATS, 8, "nothing cancels; square root and division may each be 2.5 ulp off on a GPU"),
  row("layerNorm", FLOATS, 8, "as rmsNorm, the scale counting the cancellation in x - mean"),
  row("linear", FLOATS, 4, "f32 sums in any order; random signs keep the error near 1 ε"),
  row("linear", ONE_SCALE, 4, "the scale may be applied to a whole block's sum"),
  row("linear", TWO_SCALES, 4, "the scales may be applied to a whole block's sum"),
  row("linear", WITH_MINIMUM, 16, "sums of codes and of minima may be kept apart, and cancel only at the end"),
  row("rope", [], 4, "two products and a sum; the angle itself is to be computed in f64 or as well as that"),
  row("split", [], 0, "a copy"),
  row("concat", [], 0, "a copy"),
  row("add", [], 1, "one rounding"),
  row("swiglu", [], 32, "WGSL allows exp(z) an error of 3 + 2·abs(z) ulp"),
  row("cacheWrite", [], 8, "read back through attention over one position, where exp(0) and its sum are all there is"),
  row("mlaAttention", FLOATS, 8, "absorbed and expanded form sum in different orders, over two matrices and the past"),
  row("mlaAttention", ONE_SCALE, 8, "two matrices, each as linear with these types"),
  row("mlaAttention", TWO_SCALES, 8, "two matrices, each as linear with these types"),
  row("mlaAttention", WITH_MINIMUM, 32, "two matrices, each as linear with these types"),
  row("gqaAttention", [], 8, "online softmax rescales its sums block by block"),
  row("indexerSelect", [], 0, "integers; the cases are clear choices or exact ties"),
  row("routeExperts", FLOATS, 8, "choices are integers and clear; scores contain an exp"),
  row("expertsFfn", FLOATS, 8, "three matrices, each as linear"),
  row("expertsFfn", ONE_SCALE, 8, "three matrices, each as linear with these types"),
  row("expertsFfn", TWO_SCALES, 8, "three matrices, each as linear with these types"),
  row("expertsFfn", WITH_MINIMUM, 32, "three matrices, each as linear with these types"),
  row("gatherRows", [], 0, "a copy"),
];

/** Products of these types may round the other operand to 8 bits in blocks of 32. */
const ROUNDED: readonly OpKind[] = ["linear", "expertsFfn", "mlaAttention"];

/**
 * Attention is computed in f32 on what a cache of f32 or f16 gives back, or of latents of f16 in integers of 14 bits; to one of codes
 * of 8 bits the query is rounded likewise, and the weights of the values to 15 bits. The cases of exact numerics hold f32 maths on every type of cache. A rounded
 * element is off by up to 1/254 of the largest of its block of 32, which is about three times the mean size: 100,000 ε of the
 * scale, were all errors of one sign. A block left out of 160 columns is 1,600,000 ε. How the rounded products themselves
 * are held to a few ε is in kernels/cpu/qgemm/test.cpp.
 */
const FAST: readonly Tolerance[] = EXACT.map((line) => {
  const floats = line.dtypes === FLOATS;
  if (floats && line.op === "mlaAttention")
    return row(line.op, line.dtypes, 2 ** 14, "a query meets a cache of 8 bits in 8 bits");
  if (!ROUNDED.includes(line.op) || floats) return line;
  return line.op === "linear"
    ? row(line.op, line.dtypes, 2 ** 17, "the other operand is rounded to 8 bits in blocks of 32")
    : row(line.op, line.dtypes, 2 ** 18, "as linear, twice in a row");
});

export const TOLERANCES: Readonly<Partial<Record<Numerics, readonly Tolerance[]>>> = {
  exact: EXACT,
  fast: FAST,
};

/** @throws Error when the table has no line for it */
export function toleranceOf(op: OpKind, dtype: DType | null, numerics: Numerics): Tolerance {
  const found = TOLERANCES[numerics]?.find((line) => line.op === op && (!dtype || line.dtypes.includes(dtype)));
  if (!found) throw new Error(`no tolerance for ${op} ${dtype ?? ""} with ${numerics} numerics`);
  return found;
}

/** The table of docs/NUMERICS.md. */
export function toleranceTable(numerics: Numerics): string {
  const lines = TOLERANCES[numerics]!.map(
    ({ op, dtypes, epsilons, reason }) => `| ${op} | ${dtypes.join(" ") || "–"} | ${epsilons} | ${reason} |`,
  );
  return ["| op | weights | tolerance (ε · scale) | reason |", "|---|---|---|---|", ...lines].join("\n");
}

function row(op: OpKind, dtypes: readonly DType[], epsilons: number, reason: string): Tolerance {
  return { op, dtypes, epsilons, reason };
}
