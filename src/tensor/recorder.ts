import { ShapeError } from "../errors.ts";
import type {
  CacheFieldName,
  CacheLayout,
  KvBKeyLayout,
  Op,
  Program,
  ProgramWeight,
  RopePairs,
  Routing,
  Value,
  WeightUse,
} from "./program.ts";
import { rowWidth } from "./program.ts";
import type { WeightSource } from "./weight.ts";

/** Rotation of one rope: see RopeOp. */
export interface Rotation {
  readonly frequencies: readonly number[];
  readonly magnitude: number;
}

/** Key and value half of kv_b_proj, and which way round the key half lies. */
export interface KvB {
  readonly key: WeightSource;
  readonly keyLayout: KvBKeyLayout;
  readonly value: WeightSource;
}

/**
 * Records a Program. A model file calls one method an op; every call checks its shapes, so a wrong weight is found
 * here, by name, before anything is loaded.
 * @throws ShapeError from every method
 */
export class Recorder {
  readonly #name: string;
  readonly #cache: CacheLayout;
  readonly #values: Value[] = [];
  readonly #ops: Op[] = [];
  readonly #weights = new Map<string, { source: WeightSource; uses: Set<WeightUse> }>();
  readonly #inputs = new Map<string, Value>();
  readonly #outputs = new Map<string, Value>();

  constructor(name: string, cache: CacheLayout) {
    this.#name = name;
    this.#cache = cache;
  }

  /** A buffer of [T, ...dims] that the caller of `run` provides. */
  input(name: string, ...dims: number[]): Value {
    const value = this.#value(["rows", ...dims]);
    this.#inputs.set(name, value);
    return value;
  }

  /** Lets the caller of `run` read a value under this name. */
  output(name: string, value: Value): void {
    this.#outputs.set(name, value);
  }

  /** [T, width] */
  embed(table: WeightSource): Value {
    const [, width] = this.#shape("embed", table, 2);
    const out = this.#value(["rows", width!]);
    this.#ops.push({ kind: "embed", table: this.#weight(table, "gather"), out });
    return out;
  }

  /** Same shape as x. */
  rmsNorm(x: Value, weight: WeightSource, eps: number): Value {
    this.#vector("rmsNorm", weight, last(x));
    const out = this.#value(x.shape);
    this.#ops.push({ kind: "rmsNorm", x, weight: this.#weight(weight, "vector"), eps, out });
    return out;
  }

  /** Same shape as x. */
  layerNorm(x: Value, weight: WeightSource, bias: WeightSource, eps: number): Value {
    this.#vector("layerNorm", weight, last(x));
    this.#vector("layerNorm", bias, last(x));
    const out = this.#value(x.shape);
    const names = { weight: this.#weight(weight, "vector"), bias: this.#weight(bias, "vector") };
    this.#ops.push({ kind: "layerNorm", x, ...names, eps, out });
    return out;
  }

  /**
   * @param weight [out, in]
   * @param dims how the out elements of a row are seen, e.g. [heads, headDim]; default [out]
   */
  linear(
    x: Value,
    weight: WeightSource,
    options: { bias?: WeightSource | null; dims?: readonly number[] } = {},
  ): Value {
    const [outWidth, inWidth] = this.#shape("linear", weight, 2);
    if (inWidth !== rowWidth(x)) {
      throw new ShapeError(`linear ${weight.name}`, `an input of ${inWidth}`, `${rowWidth(x)}`);
    }
    const dims = options.dims ?? [outWidth!];
    if (product(dims) !== outWidth) {
      throw new ShapeError(`linear ${weight.name}`, `${product(dims)} rows`, `${outWidth}`);
    }
    const bias = options.bias ?? null;
    if (bias) this.#vector("linear bias", bias, outWidth);
    const out = this.#value([x.shape[0], ...dims]);
    const names = { weight: this.#weight(weight, "linear"), bias: bias && this.#weight(bias, "vector") };
    this.#ops.push({ kind: "linear", x, ...names, out });
    return out;
  }

  /** Rotates the whole last dimension by the row's position. */
  rope(x: Value, pairs: RopePairs, rotation: Rotation): Value {
    if (rotation.frequencies.length * 2 !== last(x)) {
      throw new ShapeError("rope", `a last dimension of ${rotation.frequencies.length * 2}`, `${last(x)}`);
    }
    const out = this.#value(x.shape);
    this.#ops.push({ kind: "rope", x, pairs, ...rotation, out });
    return out;
  }

  /** Cuts the last dimension into parts of these sizes. */
  split<const S extends readonly number[]>(x: Value, sizes: S): { -readonly [K in keyof S]: Value } {
    if (sizes.reduce((a, b) => a + b, 0) !== last(x)) {
      throw new ShapeError("split", `parts that sum to ${last(x)}`, sizes.join(" + "));
    }
    const lead = x.shape.slice(1, -1) as number[];
    const outs = sizes.map((size) => this.#value([x.shape[0], ...lead, size]));
    this.#ops.push({ kind: "split", x, outs });
    return outs as { -readonly [K in keyof S]: Value };
  }

  /** Joins along the last dimension. */
  concat(xs: readonly Value[]): Value {
    const [first] = xs;
    if (!first) throw new ShapeError("concat", "at least one value", "none");
    for (const x of xs) {
      if (x.shape.slice(0, -1).join() !== first.shape.slice(0, -1).join()) {
        throw new ShapeError("concat", `[${first.shape.slice(0, -1)}, ...]`, `[${x.shape}]`);
      }
    }
    const width = xs.reduce((sum, x) => sum + last(x), 0);
    const out = this.#value([first.shape[0], ...(first.shape.slice(1, -1) as number[]), width]);
    this.#ops.push({ kind: "concat", xs, out });
    return out;
  }

  add(a: Value, b: Value): Value {
    same("add", a, b);
    const out = this.#value(a.shape);
    this.#ops.push({ kind: "add", a, b, out });
    return out;
  }

  swiglu(gate: Value, up: Value): Value {
    same("swiglu", gate, up);
    const out = this.#value(gate.shape);
    this.#ops.push({ kind: "swiglu", gate, up, out });
    return out;
  }

  /** Stores the rows in a field of a cache layer, at each row's position. */
  cacheWrite(layer: number, field: CacheFieldName, x: Value): void {
    const width = this.#cacheWidth("cacheWrite", layer, field);
    everyRow("cacheWrite", x);
    if (width !== rowWidth(x)) throw new ShapeError(`cacheWrite ${field}`, `rows of ${width}`, `${rowWidth(x)}`);
    this.#ops.push({ kind: "cacheWrite", layer, field, x });
  }

  /** @returns [T, heads * v] */
  mlaAttention(
    layer: number,
    qNope: Value,
    qRope: Value,
    kvB: KvB,
    scale: number,
    selection: Value | null = null,
  ): Value {
    const op = "mlaAttention";
    everyRow(op, qNope);
    const [, heads, nope] = qNope.shape;
    const latent = this.#cacheWidth(op, layer, "latent");
    const rope = this.#cacheWidth(op, layer, "kRope");
    if (qRope.shape.join() !== ["rows", heads, rope].join()) {
      throw new ShapeError(op, `qRope [rows, ${heads}, ${rope}]`, `[${qRope.shape}]`);
    }
    if (selection && (selection.dtype !== "i32" || selection.shape.length !== 2)) {
      throw new ShapeError(op, "a selection i32 [rows, topK]", `${selection.dtype} [${selection.shape}]`);
    }
    const keyShape = kvB.keyLayout === "nopeMajor" ? [heads, nope, latent] : [heads, latent, nope];
    if (kvB.key.shape.join() !== keyShape.join()) {
      throw new ShapeError(`${op} ${kvB.key.name}`, `[${keyShape}]`, `[${kvB.key.shape}]`);
    }
    const [valueHeads, v, valueLatent] = this.#shape(op, kvB.value, 3);
    if (valueHeads !== heads || valueLatent !== latent) {
      throw new ShapeError(`${op} ${kvB.value.name}`, `[${heads}, v, ${latent}]`, `[${kvB.value.shape}]`);
    }
    const out = this.#value(["rows", heads! * v!]);
    this.#ops.push({
      kind: op,
      layer,
      qNope,
      qRope,
      kvBKey: this.#weight(kvB.key, kvB.keyLayout === "latentMajor" ? "heads" : "linear"),
      keyLayout: kvB.keyLayout,
      kvBValue: this.#weight(kvB.value, "heads"),
      scale,
      selection,
      out,
    });
    return out;
  }

  /** @returns [T, heads * headDim] */
  gqaAttention(layer: number, q: Value, kvHeads: number, scale: number): Value {
    everyRow("gqaAttention", q);
    const [, heads, headDim] = q.shape;
    for (const field of ["key", "value"] as const) {
      const width = this.#cacheWidth("gqaAttention", layer, field);
      if (width !== kvHeads * headDim!) {
        throw new ShapeError("gqaAttention", `${field} rows of ${kvHeads * headDim!}`, `${width}`);
      }
    }
    if (heads! % kvHeads !== 0) throw new ShapeError("gqaAttention", `heads a multiple of ${kvHeads}`, `${heads}`);
    const out = this.#value(["rows", heads! * headDim!]);
    this.#ops.push({ kind: "gqaAttention", layer, q, kvHeads, scale, out });
    return out;
  }

  /** @returns i32 [T, topK] */
  indexerSelect(layer: number, q: Value, headWeights: Value, topK: number): Value {
    const width = this.#cacheWidth("indexerSelect", layer, "indexKey");
    everyRow("indexerSelect", q);
    if (q.shape[2] !== width || headWeights.shape[1] !== q.shape[1]) {
      throw new ShapeError("indexerSelect", `q [rows, ${headWeights.shape[1]}, ${width}]`, `[${q.shape}]`);
    }
    const out = this.#value(["rows", topK], "i32");
    this.#ops.push({ kind: "indexerSelect", layer, q, headWeights, topK, out });
    return out;
  }

  routeExperts(
    logits: Value,
    bias: WeightSource | null,
    routing: Routing,
  ): { scores: Value; ids: Value; weights: Value } {
    const experts = last(logits);
    if (bias) this.#vector("routeExperts", bias, experts);
    const { topK, groups } = routing;
    if (groups && experts % groups.count !== 0) {
      throw new ShapeError("routeExperts", `experts a multiple of ${groups.count} groups`, `${experts}`);
    }
    const reachable = groups ? (experts / groups.count) * groups.topGroups : experts;
    if (topK > reachable) throw new ShapeError("routeExperts", `topK <= ${reachable} experts`, `${topK}`);
    const scores = this.#value(logits.shape);
    const ids = this.#value([logits.shape[0], topK], "i32");
    const weights = this.#value([logits.shape[0], topK]);
    const biasName = bias && this.#weight(bias, "vector");
    this.#ops.push({ kind: "routeExperts", logits, bias: biasName, routing, scores, ids, weights });
    return { scores, ids, weights };
  }

  /** @returns same shape as x */
  expertsFfn(
    x: Value,
    route: { ids: Value; weights: Value },
    experts: { gate: WeightSource; up: WeightSource; down: WeightSource },
  ): Value {
    const [count, inter, hidden] = this.#shape("expertsFfn", experts.gate, 3);
    const want = { gate: [count, inter, hidden], up: [count, inter, hidden], down: [count, hidden, inter] };
    for (const part of ["gate", "up", "down"] as const) {
      if (experts[part].shape.join() !== want[part].join()) {
        throw new ShapeError(`expertsFfn ${experts[part].name}`, `[${want[part]}]`, `[${experts[part].shape}]`);
      }
    }
    if (rowWidth(x) !== hidden) throw new ShapeError("expertsFfn", `rows of ${hidden}`, `${rowWidth(x)}`);
    for (const value of [route.ids, route.weights]) {
      if (value.shape[0] !== x.shape[0])
        throw new ShapeError("expertsFfn", `a route of ${x.shape[0]}`, `${value.shape[0]}`);
    }
    const out = this.#value(x.shape);
    const names = {
      gate: this.#weight(experts.gate, "expert"),
      up: this.#weight(experts.up, "expert"),
      down: this.#weight(experts.down, "expert"),
    };
    this.#ops.push({ kind: "expertsFfn", x, ids: route.ids, weights: route.weights, ...names, out });
    return out;
  }

  /** The rows whose logits are wanted. */
  gatherRows(x: Value): Value {
    const out = this.#value(["logitRows", ...(x.shape.slice(1) as number[])], x.dtype);
    this.#ops.push({ kind: "gatherRows", x, out });
    return out;
  }

  finish(): Program {
    const weights = new Map<string, ProgramWeight>(this.#weights);
    return {
      name: this.#name,
      values: this.#values,
      ops: this.#ops,
      weights,
      inputs: this.#inputs,
      outputs: this.#outputs,
      cache: this.#cache,
    };
  }

  #value(shape: Value["shape"], dtype: Value["dtype"] = "f32"): Value {
    const value = { id: this.#values.length, shape, dtype };
    this.#values.push(value);
    return value;
  }

  #weight(source: WeightSource, use: WeightUse): string {
    const known = this.#weights.get(source.name);
    if (known && !samePlace(known.source, source)) {
      throw new ShapeError(`weight ${source.name}`, "one place for a name", "two");
    }
    if (known) known.uses.add(use);
    else this.#weights.set(source.name, { source, uses: new Set([use]) });
    return source.name;
  }

  #shape(op: string, weight: WeightSource, rank: number): readonly number[] {
    if (weight.shape.length !== rank) {
      throw new ShapeError(`${op} ${weight.name}`, `${rank} dimensions`, `[${weight.shape}]`);
    }
    return weight.shape;
  }

  #vector(op: string, weight: WeightSource, width: number | undefined): void {
    if (weight.shape.length !== 1 || weight.shape[0] !== width) {
      throw new ShapeError(`${op} ${weight.name}`, `[${width}]`, `[${weight.shape}]`);
    }
  }

  #cacheWidth(op: string, layer: number, name: CacheFieldName): number {
    const field = this.#cache.layers[layer]?.find((f) => f.name === name);
    if (!field) throw new ShapeError(op, `a cache field ${name} in layer ${layer}`, "none");
    return field.width;
  }
}

/** Sources are made anew each time they are asked for, so the places tell whether two are the same. */
function samePlace(a: WeightSource, b: WeightSource): boolean {
  const places = ({ dtype, shape, segments }: WeightSource) =>
    JSON.stringify([dtype, shape, segments.map(({ file, offset, byteLength }) => [file, offset, byteLength])]);
  return a === b || places(a) === places(b);
}

/** The cache knows the positions of all rows of a step, not of those whose logits are wanted. */
function everyRow(op: string, x: Value): void {
  if (x.shape[0] !== "rows") throw new ShapeError(op, "[rows, ...]", `[${x.shape}]`);
}

function last(x: Value): number {
  return x.shape[x.shape.length - 1] as number;
}

function same(op: string, a: Value, b: Value): void {
  if (a.shape.join() !== b.shape.join()) throw new ShapeError(op, `[${a.shape}]`, `[${b.shape}]`);
}

function product(dims: readonly number[]): number {
  return dims.reduce((a, b) => a * b, 1);
}
