import { describe, expect, it } from "vitest";
import { openReference } from "../../src/backends/reference/backend.ts";
import type { Batch } from "../../src/tensor/backend.ts";
import { readWeight } from "../../src/tensor/decode/read-weight.ts";
import type { Op, OpKind } from "../../src/tensor/program.ts";
import { OP_KINDS } from "../../src/tensor/program.ts";
import { allCases } from "./cases/all.ts";
import type { OpCase } from "./cases/case.ts";
import { checkCase } from "./execute.ts";
import { MutantBackend, type Mutation } from "./mutant-backend.ts";

// A suite that nothing can fail proves nothing: here it has to catch one mistake after another.

const WRONG_ELEMENTS = /elements are wrong/;
const cases = allCases();

async function verdict(c: OpCase, mutation: Mutation): Promise<string> {
  const backend = new MutantBackend(openReference(), mutation);
  try {
    await checkCase(backend, c, "exact");
    return "passed";
  } catch (error) {
    return (error as Error).message;
  } finally {
    backend.close();
  }
}

/** Moves the largest element by a thousandth, or an integer by one. */
const OFF_BY_A_THOUSANDTH: Mutation = {
  output: async (_, values) => {
    if (values.length === 0) return;
    let at = 0;
    for (const [i, value] of values.entries()) if (Math.abs(value) > Math.abs(values[at]!)) at = i;
    values[at]! += values instanceof Int32Array ? 1 : 1e-3 * (values[at]! || 1);
  },
};

const UNWRITTEN: Mutation = {
  output: async (_, values) => {
    if (values.length > 0) values[values.length - 1] = values instanceof Int32Array ? -0x7fffffff : Number.NaN;
  },
};

describe.each(OP_KINDS)("%s", (kind) => {
  // Every fifth: the comparison is the same for all of them.
  const some = cases.filter((c) => c.op === kind).filter((_, i) => i % 5 === 0);

  it("is caught when one element is off by a thousandth", async () => {
    for (const c of some) expect(await verdict(c, OFF_BY_A_THOUSANDTH), c.name).toMatch(WRONG_ELEMENTS);
  });

  it("is caught when the last element is not written", async () => {
    for (const c of some.slice(0, 3)) expect(await verdict(c, UNWRITTEN), c.name).toMatch(WRONG_ELEMENTS);
  });
});

/** Changes the ops of one kind. */
function only<K extends OpKind>(kind: K, change: (op: Extract<Op, { kind: K }>) => Op | null): Mutation {
  return {
    op: (op) => {
      if (op.kind !== kind) return [op];
      const changed = change(op as Extract<Op, { kind: K }>);
      return changed ? [changed] : [];
    },
  };
}

function moved(field: "positions" | "tokens" | "logitRows", change: (value: number, row: number) => number): Mutation {
  return { batch: (batch: Batch) => ({ ...batch, [field]: batch[field].map(change) }) };
}

const MISTAKES: Record<OpKind, Record<string, Mutation>> = {
  embed: { "the first token in every row": moved("tokens", () => 0) },
  rmsNorm: {
    "eps ten times as large": only("rmsNorm", (op) => ({ ...op, eps: 10 * op.eps })),
    "no eps": only("rmsNorm", (op) => ({ ...op, eps: 0 })),
  },
  layerNorm: {
    "the mean not taken off": only("layerNorm", ({ x, weight, eps, out }) => ({
      kind: "rmsNorm",
      x,
      weight,
      eps,
      out,
    })),
    "weight and bias exchanged": only("layerNorm", (op) => ({ ...op, weight: op.bias, bias: op.weight })),
    "eps ten times as large": only("layerNorm", (op) => ({ ...op, eps: 10 * op.eps })),
  },
  linear: { "no bias": only("linear", (op) => ({ ...op, bias: null })) },
  rope: {
    "positions off by one": moved("positions", (position) => position + 1),
    "the other pairs": only("rope", (op) => ({ ...op, pairs: op.pairs === "half" ? "adjacent" : "half" })),
    "no magnitude": only("rope", (op) => ({ ...op, magnitude: 1 })),
    "turned backwards": only("rope", (op) => ({ ...op, frequencies: op.frequencies.map((f) => -f) })),
    "angles in f32": only("rope", (op) => ({ ...op, frequencies: op.frequencies.map(Math.fround) })),
  },
  split: {
    "the first parts exchanged": only("split", ({ outs: [a, b, ...rest], ...op }) => {
      return { ...op, outs: b ? [b, a!, ...rest] : [a!] };
    }),
  },
  concat: { "parts in reverse": only("concat", (op) => ({ ...op, xs: op.xs.toReversed() })) },
  add: { "the first doubled": only("add", (op) => ({ ...op, b: op.a })) },
  swiglu: { "gate and up exchanged": only("swiglu", (op) => ({ ...op, gate: op.up, up: op.gate })) },
  cacheWrite: {
    "nothing written": only("cacheWrite", () => null),
    "key and value exchanged": only("cacheWrite", (op) => ({ ...op, field: op.field === "key" ? "value" : "key" })),
  },
  mlaAttention: {
    "the scale a little off": only("mlaAttention", (op) => ({ ...op, scale: 1.001 * op.scale })),
    "the selection ignored": only("mlaAttention", (op) => ({ ...op, selection: null })),
    "the other key layout": only("mlaAttention", (op) => {
      return { ...op, keyLayout: op.keyLayout === "nopeMajor" ? "latentMajor" : "nopeMajor" };
    }),
    "no rope key written": only("cacheWrite", (op) => (op.field === "kRope" ? null : op)),
  },
  gqaAttention: {
    "the scale a little off": only("gqaAttention", (op) => ({ ...op, scale: 1.001 * op.scale })),
    "no keys written": only("cacheWrite", (op) => (op.field === "key" ? null : op)),
  },
  indexerSelect: {
    "no keys written": only("cacheWrite", () => null),
    "positions counted from one": {
      output: async (_, values) => {
        for (let i = 0; i < values.length; i++) values[i]! += 1;
      },
    },
  },
  routeExperts: {
    "bias ignored": only("routeExperts", (op) => ({ ...op, bias: null })),
    "groups ignored": only("routeExperts", (op) => ({ ...op, routing: { ...op.routing, groups: null } })),
    "the other group score": only("routeExperts", ({ routing, ...op }) => {
      const score = routing.groups?.score === "max" ? "sumOfTop2" : "max";
      return { ...op, routing: { ...routing, groups: routing.groups && { ...routing.groups, score } } };
    }),
    "weights normalised where they are not": only("routeExperts", (op) => {
      return { ...op, routing: { ...op.routing, normalize: !op.routing.normalize } };
    }),
    "not scaled": only("routeExperts", (op) => ({ ...op, routing: { ...op.routing, scale: 1 } })),
    "the other scoring": only("routeExperts", ({ routing, ...op }) => {
      return { ...op, routing: { ...routing, scoring: routing.scoring === "softmax" ? "sigmoid" : "softmax" } };
    }),
  },
  expertsFfn: {
    "gate and up exchanged": only("expertsFfn", (op) => ({ ...op, gate: op.up, up: op.gate })),
    "weights not scaled": only("routeExperts", (op) => ({ ...op, routing: { ...op.routing, scale: 1 } })),
  },
  gatherRows: { "the row before": moved("logitRows", (row) => Math.max(0, row - 1)) },
};

describe.each(OP_KINDS)("%s with a mistake", (kind) => {
  it.each(Object.entries(MISTAKES[kind]))("%s: is caught", async (_, mutation) => {
    const own = cases.filter((c) => c.op === kind);
    for (const c of own) if (WRONG_ELEMENTS.test(await verdict(c, mutation))) return;
    expect.fail(`${own.length} cases of ${kind} passed`);
  });
});

describe("routeExperts with a mistake inside", () => {
  const c = cases.find((one) => one.op === "routeExperts" && one.name.includes("bias around -2"))!;
  const { program } = c.build();
  const topK = program.outputs.get("ids")!.shape[1]!;

  it("weights taken from the biased scores: is caught", async () => {
    const bias = await readWeight(program.weights.get("bias")!.source);
    const output: Mutation["output"] = async (name, values, all) => {
      if (name !== "weights") return;
      const [ids, scores] = [await all("ids"), await all("scores")];
      for (let i = 0; i < values.length; i++) {
        const e = ids[i]!;
        values[i] = scores[Math.floor(i / topK) * bias.length + e]! + bias[e]!;
      }
    };
    expect(await verdict(c, { output })).toMatch(WRONG_ELEMENTS);
  });

  it("slots in another order than that of the ids: is caught", async () => {
    const output: Mutation["output"] = async (name, values) => {
      if (name === "scores") return;
      for (let t = 0; t < values.length; t += topK) values.subarray(t, t + topK).reverse();
    };
    expect(await verdict(c, { output })).toMatch(WRONG_ELEMENTS);
  });
});
