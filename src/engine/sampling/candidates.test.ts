import { describe, expect, it } from "vitest";
import { Candidates } from "./candidates.ts";

const badLogits = expect.objectContaining({ code: "bad_logits" });

function loaded(...logits: number[]): Candidates {
  const c = new Candidates(logits.length);
  c.load(Float32Array.from(logits));
  return c;
}

describe("Candidates", () => {
  it.each([
    ["NaN", [0, Number.NaN], /token 1 has NaN/],
    ["+Infinity", [Infinity, 0], /token 0 has Infinity/],
    ["a wrong length", [0, 1, 2], /want 2 values, got 3/],
  ])("refuses %s", (_, row, message) => {
    const load = () => new Candidates(2).load(Float32Array.from(row));
    expect(load).toThrow(message);
    expect(load).toThrow(badLogits);
  });

  it("refuses a row in which no token is possible", () => {
    const c = loaded(-Infinity, -Infinity);
    expect(() => c.best()).toThrow(badLogits);
    expect(() => c.softmax()).toThrow(badLogits);
  });

  it("takes tokens outside the mask as impossible, across words", () => {
    const c = new Candidates(40);
    c.load(new Float32Array(40).fill(1), Uint32Array.of(1 << 31, 1 << 3));
    expect([...c.logits.keys()].filter((i) => c.logits[i] === 1)).toEqual([31, 35]);
  });

  it("refuses a mask that is too short", () => {
    expect(() => new Candidates(33).load(new Float32Array(33), new Uint32Array(1))).toThrow(/1 words, want 2/);
  });

  it("takes the lowest id among equals as the best", () => {
    expect(loaded(0, 3, 3, 1).best()).toBe(1);
  });

  it("computes probabilities and the sum they come from", () => {
    const c = loaded(...[1, 2, 4, 1].map((x) => Math.log(x) + 800));
    c.softmax();
    for (const [i, p] of [1 / 8, 1 / 4, 1 / 2, 1 / 8].entries()) expect(c.probs[i]).toBeCloseTo(p, 4);
    expect(c.logSum).toBeCloseTo(Math.log(8) + 800, 4);
  });

  it("renormalises after a removal and keeps ids in order", () => {
    const c = loaded(...[1, 2, 4, 1].map(Math.log));
    c.softmax();
    c.keepWhere((i) => i !== 1);
    c.softmax();
    expect([...c.ids.subarray(0, c.count)]).toEqual([0, 2, 3]);
    for (const [i, p] of [1 / 6, 4 / 6, 1 / 6].entries()) expect(c.probs[i]).toBeCloseTo(p, 6);
    expect(c.logSum).toBeCloseTo(Math.log(6), 6);
  });

  it("keeps the lowest ids among equals when a mass cuts through them", () => {
    const c = loaded(1, 5, 5, 5, 7);
    c.keepMass(c.logits, Float64Array.of(1, 1, 1, 1, 1), 3);
    expect([...c.ids.subarray(0, c.count)]).toEqual([1, 2, 4]);
  });

  it("finds the entry at a point of the cumulated probabilities, never an impossible one", () => {
    const c = loaded(-Infinity, 0, 0, -Infinity);
    c.softmax();
    expect([0, 0.49, 0.5, 1 - 2 ** -53].map((u) => c.at(u))).toEqual([1, 1, 2, 2]);
    c.probs.set([0, 0.4, 0.4, 0]);
    expect(c.at(0.99)).toBe(2); // what rounding leaves goes to the last possible entry
  });
});
