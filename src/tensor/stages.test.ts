import { describe, expect, it } from "vitest";
import { Recorder } from "./recorder.ts";
import { planStages } from "./stages.ts";
import type { WeightSource } from "./weight.ts";

const NO_CACHE = { pageSize: 32, layers: [[{ name: "latent", width: 32, dtype: "f32" }]] } as const;

function weight(name: string, ...shape: number[]): WeightSource {
  return { name, dtype: "Q8_0", shape, segments: [] };
}

/** Stages as `kind: op op`. */
function staged(record: (g: Recorder) => void, packed: (name: string) => boolean = () => false): string[] {
  const g = new Recorder("stages", NO_CACHE);
  record(g);
  return planStages(g.finish(), packed).stages.map(({ kind, ops }) => `${kind}: ${ops.map((op) => op.kind).join(" ")}`);
}

describe("planStages", () => {
  it("does what looks at one row at a time in one stage", () => {
    const stages = staged((g) => {
      const x = g.input("x", 64);
      g.output("y", g.add(g.rmsNorm(g.add(x, x), weight("norm", 64), 1e-6), x));
    });
    expect(stages).toEqual(["rows: add rmsNorm add"]);
  });

  it("shares out linear layers of the same input together, and waits before one that reads another", () => {
    const stages = staged((g) => {
      const x = g.input("x", 64);
      const a = g.linear(x, weight("a", 32, 64));
      const b = g.linear(a, weight("b", 32, 32));
      g.output("y", g.add(b, g.linear(x, weight("c", 32, 64))));
    });
    expect(stages).toEqual(["linears: linear linear", "linears: linear", "rows: add"]);
  });

  it("rounds an input once for all packed weights that read it", () => {
    const stages = staged(
      (g) => {
        const x = g.input("x", 64);
        g.output("y", g.add(g.linear(x, weight("a", 32, 64)), g.linear(x, weight("b", 32, 64))));
      },
      () => true,
    );
    expect(stages).toEqual(["rows: quantize", "linears: linear linear", "rows: add"]);
  });

  it("gives a rounded value 15 words for each block of 32", () => {
    const g = new Recorder("rounded", NO_CACHE);
    g.output("y", g.linear(g.input("x", 96), weight("a", 32, 96)));
    const { values } = planStages(g.finish(), () => true);
    expect(values.at(-1)!.shape).toEqual(["rows", 45]);
  });

  it("gathers the rows whose logits are wanted in a stage of its own", () => {
    const stages = staged((g) => {
      const x = g.input("x", 64);
      g.output("y", g.linear(g.gatherRows(g.add(x, x)), weight("head", 32, 64)));
    });
    expect(stages).toEqual(["rows: add", "logitRows: gatherRows", "linears: linear"]);
  });
});
