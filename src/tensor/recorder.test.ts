import { describe, expect, it } from "vitest";
import { ShapeError } from "../errors.ts";
import type { CacheLayout, Op, Routing, Value } from "./program.ts";
import { OP_KINDS, operands, rowWidth } from "./program.ts";
import { Recorder } from "./recorder.ts";
import type { WeightSource } from "./weight.ts";

const CACHE: CacheLayout = {
  pageSize: 16,
  layers: [
    [
      { name: "latent", width: 8, dtype: "f32" },
      { name: "kRope", width: 4, dtype: "f32" },
      { name: "indexKey", width: 6, dtype: "f32" },
    ],
    [
      { name: "key", width: 10, dtype: "f32" },
      { name: "value", width: 10, dtype: "f32" },
    ],
  ],
};

/** A weight of which nothing is ever read. */
function weight(name: string, ...shape: number[]): WeightSource {
  return { name, dtype: "F32", shape, segments: [] };
}

function recorder(): Recorder {
  return new Recorder("test", CACHE);
}

/** The only op of a Program that was recorded with these calls. */
function onlyOp(record: (g: Recorder) => void): Op {
  const g = recorder();
  record(g);
  const { ops } = g.finish();
  expect(ops).toHaveLength(1);
  return ops[0]!;
}

const ROUTING: Routing = { scoring: "sigmoid", topK: 2, groups: null, normalize: true, scale: 1 };

describe("shapes of results", () => {
  const shapes = (record: (g: Recorder) => Value | readonly Value[]) => [record(recorder())].flat().map((v) => v.shape);

  it.each<[string, (g: Recorder) => Value | readonly Value[], Value["shape"][]]>([
    ["embed is as wide as the table", (g) => g.embed(weight("t", 100, 12)), [["rows", 12]]],
    ["rmsNorm keeps the shape", (g) => g.rmsNorm(g.input("x", 3, 5), weight("w", 5), 1e-6), [["rows", 3, 5]]],
    [
      "layerNorm keeps the shape",
      (g) => g.layerNorm(g.input("x", 5), weight("w", 5), weight("b", 5), 0),
      [["rows", 5]],
    ],
    ["linear takes the dimensions of x as one", (g) => g.linear(g.input("x", 2, 3), weight("w", 7, 6)), [["rows", 7]]],
    [
      "linear can be seen as heads",
      (g) => g.linear(g.input("x", 6), weight("w", 8, 6), { dims: [2, 4] }),
      [["rows", 2, 4]],
    ],
    [
      "rope keeps the shape",
      (g) => g.rope(g.input("x", 2, 4), "half", { frequencies: [1, 0.1], magnitude: 1 }),
      [["rows", 2, 4]],
    ],
    [
      "split cuts the last dimension",
      (g) => g.split(g.input("x", 3, 7), [2, 5]),
      [
        ["rows", 3, 2],
        ["rows", 3, 5],
      ],
    ],
    ["concat joins the last dimension", (g) => g.concat([g.input("a", 3, 2), g.input("b", 3, 5)]), [["rows", 3, 7]]],
    ["gatherRows has a row per wanted logit", (g) => g.gatherRows(g.input("x", 2, 3)), [["logitRows", 2, 3]]],
    ["gqaAttention joins its heads", (g) => g.gqaAttention(1, g.input("q", 4, 5), 2, 1), [["rows", 20]]],
    [
      "mlaAttention joins its heads",
      (g) => {
        const kvB = { key: weight("k", 3, 5, 8), keyLayout: "nopeMajor" as const, value: weight("v", 3, 7, 8) };
        return g.mlaAttention(0, g.input("qNope", 3, 5), g.input("qRope", 3, 4), kvB, 1);
      },
      [["rows", 21]],
    ],
    [
      "what follows gatherRows stays per wanted logit",
      (g) => g.linear(g.gatherRows(g.input("x", 3)), weight("w", 9, 3)),
      [["logitRows", 9]],
    ],
  ])("%s", (_, record, want) => {
    expect(shapes(record)).toEqual(want);
  });

  it("routes and selections list integers", () => {
    const g = recorder();
    const { scores, ids, weights } = g.routeExperts(g.input("logits", 8), null, ROUTING);
    expect([scores, ids, weights].map((v) => [v.dtype, ...v.shape])).toEqual([
      ["f32", "rows", 8],
      ["i32", "rows", 2],
      ["f32", "rows", 2],
    ]);
    const selection = g.indexerSelect(0, g.input("q", 3, 6), g.input("w", 3), 11);
    expect([selection.dtype, ...selection.shape]).toEqual(["i32", "rows", 11]);
    expect(g.gatherRows(ids)).toMatchObject({ dtype: "i32", shape: ["logitRows", 2] });
  });
});

describe("a shape that does not fit is refused while recording, by the name of the weight or op", () => {
  const kvB = { key: weight("kvB.key", 3, 5, 8), keyLayout: "nopeMajor" as const, value: weight("kvB.value", 3, 7, 8) };
  const mla = (g: Recorder, change: Partial<typeof kvB> = {}, qRope = [3, 4], layer = 0) =>
    g.mlaAttention(layer, g.input("qNope", 3, 5), g.input("qRope", ...qRope), { ...kvB, ...change }, 1);
  const experts = (gate: number[], up: number[], down: number[]) => (g: Recorder) => {
    const route = g.routeExperts(g.input("logits", 4), null, ROUTING);
    g.expertsFfn(g.input("x", 6), route, {
      gate: weight("gate", ...gate),
      up: weight("up", ...up),
      down: weight("down", ...down),
    });
  };
  const route = (experts: number, routing: Partial<Routing>) => (g: Recorder) =>
    g.routeExperts(g.input("logits", experts), null, { ...ROUTING, ...routing });

  it.each<[string, (g: Recorder) => unknown, RegExp]>([
    ["embed: a vector as table", (g) => g.embed(weight("table", 5)), /^embed table: want 2 dimensions, got \[5\]/],
    [
      "rmsNorm: another width",
      (g) => g.rmsNorm(g.input("x", 5), weight("norm", 4), 0),
      /^rmsNorm norm: want \[5\], got \[4\]/,
    ],
    ["rmsNorm: a matrix", (g) => g.rmsNorm(g.input("x", 5), weight("norm", 1, 5), 0), /norm: want \[5\], got \[1,5\]/],
    ["layerNorm: its weight", (g) => g.layerNorm(g.input("x", 5), weight("w", 4), weight("b", 5), 0), /layerNorm w/],
    ["layerNorm: its bias", (g) => g.layerNorm(g.input("x", 5), weight("w", 5), weight("b", 4), 0), /layerNorm b/],
    ["linear: three dimensions", (g) => g.linear(g.input("x", 5), weight("w", 2, 3, 5)), /linear w: want 2 dimensions/],
    [
      "linear: another input",
      (g) => g.linear(g.input("x", 5), weight("w", 3, 4)),
      /linear w: want an input of 4, got 5/,
    ],
    [
      "linear: heads that do not multiply up",
      (g) => g.linear(g.input("x", 4), weight("w", 6, 4), { dims: [2, 4] }),
      /linear w: want 8 rows, got 6/,
    ],
    [
      "linear: its bias",
      (g) => g.linear(g.input("x", 4), weight("w", 6, 4), { bias: weight("b", 4) }),
      /linear bias b: want \[6\]/,
    ],
    [
      "rope: too few frequencies",
      (g) => g.rope(g.input("x", 6), "half", { frequencies: [1], magnitude: 1 }),
      /rope: want a last dimension of 2, got 6/,
    ],
    [
      "split: parts that do not sum up",
      (g) => g.split(g.input("x", 6), [2, 3]),
      /split: want parts that sum to 6, got 2 \+ 3/,
    ],
    [
      "concat: other leading dimensions",
      (g) => g.concat([g.input("a", 2, 3), g.input("b", 3, 3)]),
      /concat: want \[rows,2/,
    ],
    ["concat: other rows", (g) => g.concat([g.input("a", 2), g.gatherRows(g.input("b", 2))]), /concat/],
    ["add: another width", (g) => g.add(g.input("a", 2), g.input("b", 3)), /add: want \[rows,2\], got \[rows,3\]/],
    ["add: other rows", (g) => g.add(g.input("a", 2), g.gatherRows(g.input("b", 2))), /add: .*logitRows/],
    ["swiglu: another width", (g) => g.swiglu(g.input("a", 2), g.input("b", 3)), /swiglu/],
    [
      "cacheWrite: another width",
      (g) => g.cacheWrite(0, "latent", g.input("x", 7)),
      /cacheWrite latent: want rows of 8, got 7/,
    ],
    [
      "cacheWrite: a field the layer lacks",
      (g) => g.cacheWrite(1, "latent", g.input("x", 8)),
      /a cache field latent in layer 1/,
    ],
    [
      "cacheWrite: a layer there is not",
      (g) => g.cacheWrite(2, "key", g.input("x", 8)),
      /a cache field key in layer 2/,
    ],
    ["mlaAttention: a layer without latents", (g) => mla(g, {}, [3, 4], 1), /mlaAttention: want a cache field latent/],
    ["mlaAttention: qRope of another width", (g) => mla(g, {}, [3, 5]), /qRope \[rows, 3, 4\], got \[rows,3,5\]/],
    ["mlaAttention: qRope of other heads", (g) => mla(g, {}, [2, 4]), /qRope/],
    [
      "mlaAttention: the other key layout",
      (g) => mla(g, { key: weight("kvB.key", 3, 8, 5) }),
      /kvB.key: want \[3,5,8\], got \[3,8,5\]/,
    ],
    [
      "mlaAttention: a value of other heads",
      (g) => mla(g, { value: weight("kvB.value", 2, 7, 8) }),
      /kvB.value: want \[3, v, 8\]/,
    ],
    ["mlaAttention: a value of another latent", (g) => mla(g, { value: weight("kvB.value", 3, 7, 9) }), /kvB.value/],
    [
      "mlaAttention: a value of two dimensions",
      (g) => mla(g, { value: weight("kvB.value", 21, 8) }),
      /kvB.value: want 3 dimensions/,
    ],
    [
      "gqaAttention: a cache of another width",
      (g) => g.gqaAttention(1, g.input("q", 4, 6), 2, 1),
      /key rows of 12, got 10/,
    ],
    [
      "gqaAttention: heads that do not divide",
      (g) => g.gqaAttention(1, g.input("q", 3, 5), 2, 1),
      /heads a multiple of 2, got 3/,
    ],
    [
      "gqaAttention: a layer without keys",
      (g) => g.gqaAttention(0, g.input("q", 4, 5), 2, 1),
      /a cache field key in layer 0/,
    ],
    [
      "indexerSelect: another key width",
      (g) => g.indexerSelect(0, g.input("q", 3, 5), g.input("w", 3), 2),
      /indexerSelect: want q \[rows, 3, 6\]/,
    ],
    ["indexerSelect: other heads", (g) => g.indexerSelect(0, g.input("q", 3, 6), g.input("w", 2), 2), /indexerSelect/],
    [
      "indexerSelect: a layer without keys",
      (g) => g.indexerSelect(1, g.input("q", 3, 6), g.input("w", 3), 2),
      /a cache field indexKey/,
    ],
    [
      "routeExperts: its bias",
      (g) => g.routeExperts(g.input("l", 8), weight("bias", 7), ROUTING),
      /routeExperts bias: want \[8\]/,
    ],
    [
      "routeExperts: uneven groups",
      route(9, { groups: { count: 2, topGroups: 1, score: "max" } }),
      /a multiple of 2 groups, got 9/,
    ],
    ["routeExperts: more than there are", route(4, { topK: 5 }), /topK <= 4 experts, got 5/],
    [
      "routeExperts: more than the groups hold",
      route(8, { topK: 5, groups: { count: 4, topGroups: 2, score: "max" } }),
      /topK <= 4 experts, got 5/,
    ],
    [
      "expertsFfn: a gate of two dimensions",
      experts([5, 6], [4, 5, 6], [4, 6, 5]),
      /expertsFfn gate: want 3 dimensions/,
    ],
    [
      "expertsFfn: up unlike gate",
      experts([4, 5, 6], [4, 6, 5], [4, 6, 5]),
      /expertsFfn up: want \[4,5,6\], got \[4,6,5\]/,
    ],
    ["expertsFfn: down not transposed", experts([4, 5, 6], [4, 5, 6], [4, 5, 6]), /expertsFfn down: want \[4,6,5\]/],
    ["expertsFfn: fewer experts in down", experts([4, 5, 6], [4, 5, 6], [3, 6, 5]), /expertsFfn down/],
    ["expertsFfn: another hidden width", experts([4, 5, 7], [4, 5, 7], [4, 7, 5]), /expertsFfn: want rows of 7, got 6/],
  ])("%s", (_, record, message) => {
    const attempt = () => record(recorder());
    expect(attempt).toThrow(ShapeError);
    expect(attempt).toThrow(message);
  });
});

describe("what no backend could run is refused while recording", () => {
  const kvB = { key: weight("k", 2, 5, 8), keyLayout: "nopeMajor", value: weight("v", 2, 3, 8) } as const;

  it.each<[string, RegExp, (g: Recorder) => unknown]>([
    [
      "two weights of one name",
      /weight w: want one place/,
      (g) => [g.embed(weight("w", 9, 4)), g.embed(weight("w", 8, 4))],
    ],
    ["a concat of nothing", /concat/, (g) => g.concat([])],
    [
      "a selection that lists no integers",
      /selection i32/,
      (g) => g.mlaAttention(0, g.input("q", 2, 5), g.input("r", 2, 4), kvB, 1, g.input("s", 3)),
    ],
    ["attention of gathered rows", /\[rows/, (g) => g.gqaAttention(1, g.gatherRows(g.input("q", 2, 5)), 2, 1)],
    ["a cache write of gathered rows", /\[rows/, (g) => g.cacheWrite(0, "latent", g.gatherRows(g.input("x", 8)))],
    [
      "experts of other rows than their route",
      /a route of logitRows/,
      (g) =>
        g.expertsFfn(g.gatherRows(g.input("x", 6)), g.routeExperts(g.input("l", 4), null, ROUTING), {
          gate: weight("g", 4, 3, 6),
          up: weight("u", 4, 3, 6),
          down: weight("d", 4, 6, 3),
        }),
    ],
  ])("%s", (_, message, record) => {
    expect(() => record(recorder())).toThrow(message);
    expect(() => record(recorder())).toThrow(ShapeError);
  });
});

describe("the recorded Program", () => {
  it("lists a weight once, with all its uses", () => {
    const g = recorder();
    const table = weight("embed", 20, 4);
    const x = g.embed(table);
    const normed = g.rmsNorm(x, weight("norm", 4), 1e-6);
    g.output("logits", g.linear(g.gatherRows(normed), table));
    const { weights } = g.finish();
    expect([...weights].map(([name, { uses }]) => [name, [...uses]])).toEqual([
      ["embed", ["gather", "linear"]],
      ["norm", ["vector"]],
    ]);
    expect(weights.get("embed")!.source).toBe(table);
  });

  it("names the uses of every kind of weight", () => {
    const g = recorder();
    const x = g.layerNorm(g.input("x", 6), weight("w", 6), weight("b", 6), 0);
    const route = g.routeExperts(g.linear(x, weight("router", 4, 6)), weight("bias", 4), ROUTING);
    const [gate, up, down] = [weight("gate", 4, 5, 6), weight("up", 4, 5, 6), weight("down", 4, 6, 5)];
    g.expertsFfn(x, route, { gate, up, down });
    const kvB = { key: weight("k", 3, 8, 5), keyLayout: "latentMajor" as const, value: weight("v", 3, 7, 8) };
    g.mlaAttention(0, g.input("qNope", 3, 5), g.input("qRope", 3, 4), kvB, 1);
    const uses = Object.fromEntries([...g.finish().weights].map(([name, w]) => [name, [...w.uses].join()]));
    expect(uses).toEqual({
      ...{ w: "vector", b: "vector", router: "linear", bias: "vector" },
      ...{ gate: "expert", up: "expert", down: "expert", k: "heads", v: "heads" },
    });
  });

  it("keeps inputs and outputs by name, and the ops in the order of the calls", () => {
    const g = recorder();
    const a = g.input("a", 3);
    const b = g.input("b", 3);
    const sum = g.add(a, b);
    g.output("sum", sum);
    g.output("same", sum);
    g.swiglu(sum, b);
    const program = g.finish();
    expect(program.name).toBe("test");
    expect(program.cache).toBe(CACHE);
    expect([...program.inputs]).toEqual([
      ["a", a],
      ["b", b],
    ]);
    expect([...program.outputs]).toEqual([
      ["sum", sum],
      ["same", sum],
    ]);
    expect(program.ops.map((op) => op.kind)).toEqual(["add", "swiglu"]);
    expect(program.values.map((v) => v.id)).toEqual([0, 1, 2, 3]);
  });

  it("is plain data that can be sent to another thread", () => {
    const g = recorder();
    const x = g.linear(g.embed(weight("table", 9, 4)), weight("w", 4, 4), { bias: weight("bias", 4) });
    g.output("out", g.rope(x, "adjacent", { frequencies: [1, 0.5], magnitude: 1.5 }));
    const { weights, ...rest } = g.finish();
    expect(structuredClone(rest)).toEqual(rest);
    expect(structuredClone([...weights.values()].map((w) => w.uses))).toHaveLength(3);
    expect(rest.ops.map((op) => ("table" in op ? op.table : "weight" in op ? op.weight : null))).toEqual([
      "table",
      "w",
      null,
    ]);
  });

  it("has the settings of every op as they were given", () => {
    const x = recorder().input("x", 4);
    expect(onlyOp((g) => g.rmsNorm(x, weight("w", 4), 1e-5))).toMatchObject({ weight: "w", eps: 1e-5 });
    const rotation = { frequencies: [1, 2], magnitude: 3 };
    expect(onlyOp((g) => g.rope(x, "half", rotation))).toMatchObject({ pairs: "half", ...rotation });
    expect(onlyOp((g) => g.linear(x, weight("w", 2, 4)))).toMatchObject({ bias: null });
    expect(onlyOp((g) => g.routeExperts(x, null, ROUTING))).toMatchObject({ bias: null, routing: ROUTING });
    const q = recorder().input("q", 4, 5);
    expect(onlyOp((g) => g.gqaAttention(1, q, 2, 0.25))).toMatchObject({ layer: 1, kvHeads: 2, scale: 0.25 });
  });
});

describe("operands", () => {
  it("name every value that an op of a Program holds", () => {
    const g = recorder();
    const x = g.embed(weight("table", 9, 6));
    const normed = g.layerNorm(g.rmsNorm(x, weight("n", 6), 0), weight("w", 6), weight("b", 6), 0);
    const [a, b] = g.split(
      g.rope(g.linear(normed, weight("l", 8, 6)), "half", { frequencies: [1, 1, 1, 1], magnitude: 1 }),
      [4, 4],
    );
    const latent = g.concat([a, g.swiglu(a, b)]);
    g.cacheWrite(0, "latent", latent);
    const selection = g.indexerSelect(0, g.input("q", 3, 6), g.input("w", 3), 2);
    const kvB = { key: weight("k", 3, 5, 8), keyLayout: "nopeMajor" as const, value: weight("v", 3, 2, 8) };
    const heard = g.mlaAttention(0, g.input("qNope", 3, 5), g.input("qRope", 3, 4), kvB, 1, selection);
    g.gqaAttention(1, g.input("gq", 4, 5), 2, 1);
    const route = g.routeExperts(g.linear(heard, weight("router", 4, 6)), null, ROUTING);
    const [gate, up, down] = [weight("gate", 4, 5, 6), weight("up", 4, 5, 6), weight("down", 4, 6, 5)];
    g.gatherRows(g.add(heard, g.expertsFfn(heard, route, { gate, up, down })));
    const { ops } = g.finish();

    expect(new Set(ops.map((op) => op.kind))).toEqual(new Set(OP_KINDS));
    for (const op of ops) {
      const { reads, writes } = operands(op);
      const held = Object.values(op).flat().filter(isValue);
      expect(new Set([...reads, ...writes]), op.kind).toEqual(new Set(held));
    }
  });

  it("rowWidth multiplies all dimensions but the rows", () => {
    expect(rowWidth({ id: 0, shape: ["rows", 3, 5], dtype: "f32" })).toBe(15);
    expect(rowWidth({ id: 0, shape: ["logitRows"], dtype: "f32" })).toBe(1);
  });
});

function isValue(field: unknown): field is Value {
  return typeof field === "object" && field !== null && "id" in field && "shape" in field;
}
