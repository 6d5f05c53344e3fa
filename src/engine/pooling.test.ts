import { expect, test } from "vitest";
import { Pooler } from "./pooling.ts";

const chunks = [Float32Array.of(3, 0, 0, 0), Float32Array.of(0, 4)]; // three states of width 2

function pooled(pooling: "mean" | "last", states: readonly Float32Array[] = chunks): number[] {
  const pooler = new Pooler(pooling, 2);
  for (const chunk of states) pooler.add(chunk);
  return [...pooler.vector()];
}

test("the mean has the direction of the sum, whatever the chunks", () => {
  const [x, y] = pooled("mean");
  expect(x).toBeCloseTo(0.6, 6);
  expect(y).toBeCloseTo(0.8, 6);
  expect(pooled("mean", [Float32Array.of(3, 0, 0, 0, 0, 4)])).toEqual([x, y]);
});

test("the last state alone counts for last", () => {
  expect(pooled("last")).toEqual([0, 1]);
});

test("no direction stays none", () => {
  expect(pooled("mean", [new Float32Array(4)])).toEqual([0, 0]);
});
