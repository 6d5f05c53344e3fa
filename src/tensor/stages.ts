import type { CacheFieldName, ExpertsFfnOp, LinearOp, Op, OpKind, Program, Value } from "./program.ts";
import { operands, rowWidth } from "./program.ts";

/** out = x rounded to int8 in blocks of 32: see kernels/cpu/qgemm/qgemm.h. */
export interface QuantizeOp {
  readonly kind: "quantize";
  readonly x: Value;
  readonly out: Value;
}

/** An op of the C++ executor. `quantized`: the rounded x of a product with packed weights. */
export type NativeOp =
  | Exclude<Op, LinearOp | ExpertsFfnOp>
  | (LinearOp & { readonly quantized: Value | null })
  | (ExpertsFfnOp & { readonly quantized: Value | null })
  | QuantizeOp;

/**
 * What threads do between two waits for one another.
 * - rows, logitRows: ops that look at one row at a time; a thread that takes a row carries out all of them on it
 * - linears: linear layers that do not read one another, whose bands of weight rows are shared out together
 * - team: one op that has its own way to share out its work
 */
export const STAGE_KINDS = ["rows", "logitRows", "linears", "team"] as const;

export interface Stage {
  readonly kind: (typeof STAGE_KINDS)[number];
  readonly ops: readonly NativeOp[];
}

export interface Schedule {
  readonly values: readonly Value[];
  readonly stages: readonly Stage[];
}

/** Ops that need all threads at once. */
const TEAM_OPS: ReadonlySet<OpKind | "quantize"> = new Set([
  "mlaAttention",
  "gqaAttention",
  "indexerSelect",
  "expertsFfn",
]);

/** 32-bit words of a block of 32 rounded values: QBlock of kernels/cpu/qgemm/qgemm.h. */
const QUANTIZED_BLOCK = { columns: 32, words: 15 };

/**
 * Puts the ops into stages, each into the first one of its kind that comes after all it depends on: the fewer stages, the
 * fewer waits. A value that products with packed weights read is rounded once for all of them.
 * @param packed whether a weight is held packed, by name
 */
export function planStages(program: Program, packed: (weight: string) => boolean): Schedule {
  const values = [...program.values];
  const stages: { kind: Stage["kind"]; ops: NativeOp[] }[] = [];
  /** The stage that makes a value, or the field of a cache layer; and the last one that reads the field. */
  const made = new Map<Value | string, number>();
  const read = new Map<string, number>();
  const place = (op: NativeOp) => {
    const kind = stageKind(op);
    const cache = cacheFields(op);
    const { reads, writes } = nativeOperands(op);
    let first = 0;
    for (const source of [...reads, ...cache.reads]) {
      const at = made.get(source) ?? -1;
      first = Math.max(first, kind === stages[at]?.kind && isRowKind(kind) ? at : at + 1);
    }
    for (const field of cache.writes) first = Math.max(first, (read.get(field) ?? -1) + 1);
    let at = kind === "team" ? -1 : stages.findIndex((stage, i) => i >= first && stage.kind === kind);
    if (at < 0) at = stages.push({ kind, ops: [] }) - 1;
    stages[at]!.ops.push(op);
    for (const target of [...writes, ...cache.writes]) made.set(target, at);
    for (const field of cache.reads) read.set(field, at);
  };
  const rounded = new Map<Value, Value>();
  const round = (x: Value): Value => {
    const known = rounded.get(x);
    if (known) return known;
    const width = (rowWidth(x) / QUANTIZED_BLOCK.columns) * QUANTIZED_BLOCK.words;
    const out: Value = { id: values.length, shape: [x.shape[0], width], dtype: "f32" };
    values.push(out);
    rounded.set(x, out);
    place({ kind: "quantize", x, out });
    return out;
  };
  for (const op of program.ops) {
    if (op.kind === "linear") place({ ...op, quantized: packed(op.weight) ? round(op.x) : null });
    else if (op.kind === "expertsFfn") {
      place({ ...op, quantized: packed(op.gate) || packed(op.up) ? round(op.x) : null });
    } else place(op);
  }
  return { values, stages };
}

/** The values an op reads and writes. */
export function nativeOperands(op: NativeOp): { reads: readonly Value[]; writes: readonly Value[] } {
  if (op.kind === "quantize") return { reads: [op.x], writes: [op.out] };
  const { reads, writes } = operands(op);
  return "quantized" in op && op.quantized ? { reads: [...reads, op.quantized], writes } : { reads, writes };
}

function stageKind(op: NativeOp): Stage["kind"] {
  if (op.kind === "linear") return "linears";
  if (TEAM_OPS.has(op.kind)) return "team";
  const { writes, reads } = nativeOperands(op);
  return (writes[0] ?? reads[0])!.shape[0] === "logitRows" ? "logitRows" : "rows";
}

function isRowKind(kind: Stage["kind"]): boolean {
  return kind === "rows" || kind === "logitRows";
}

/** The cache fields an op reads and writes. */
function cacheFields(op: NativeOp): { reads: readonly string[]; writes: readonly string[] } {
  const of = (layer: number, ...names: CacheFieldName[]) => names.map((name) => `${layer}.${name}`);
  switch (op.kind) {
    case "cacheWrite":
      return { reads: [], writes: of(op.layer, op.field) };
    case "mlaAttention":
      return { reads: of(op.layer, "latent", "kRope"), writes: [] };
    case "gqaAttention":
      return { reads: of(op.layer, "key", "value"), writes: [] };
    case "indexerSelect":
      return { reads: of(op.layer, "indexKey"), writes: [] };
    default:
      return { reads: [], writes: [] };
  }
}
