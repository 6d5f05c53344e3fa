import { describe, expect, it } from "vitest";
import { Candidates } from "./candidates.ts";
import { minP } from "./min-p.ts";
import { Mirostat } from "./mirostat.ts";
import { applyCountPenalties, applyLogitBias, applyRepetitionPenalty } from "./penalties.ts";
import { Random } from "./random.ts";
import { applyTemperature } from "./temperature.ts";
import { topK } from "./top-k.ts";
import { topP } from "./top-p.ts";
import { typical } from "./typical.ts";
import { excludeTopChoices } from "./xtc.ts";

/** Candidates with these weights as probabilities (up to their sum). */
function weighing(...weights: number[]): Candidates {
  return withLogits(...weights.map(Math.log));
}

function withLogits(...logits: number[]): Candidates {
  const c = new Candidates(logits.length);
  c.load(Float32Array.from(logits));
  return c;
}

const left = (c: Candidates) => [...c.ids.subarray(0, c.count)];

describe("temperature", () => {
  it("divides the logits, up to a constant", () => {
    const c = withLogits(1, 3, 2);
    applyTemperature(c, 0.5);
    expect([...c.logits]).toEqual([-4, 0, -2]);
  });

  it("neither overflows nor makes NaN when it is tiny or huge", () => {
    const tiny = withLogits(1, 3, 3, -Infinity);
    applyTemperature(tiny, Number.MIN_VALUE);
    tiny.softmax();
    expect([...tiny.probs]).toEqual([0, 0.5, 0.5, 0]);
    const huge = withLogits(-3e38, 3e38);
    applyTemperature(huge, 100);
    huge.softmax();
    expect([...huge.probs]).toEqual([0, 1]);
  });
});

describe("top-k", () => {
  it("keeps the k largest, the lowest ids among equals", () => {
    const c = withLogits(1, 5, 2, 5, 5, 0);
    topK(c, 2);
    expect(left(c)).toEqual([1, 3]);
  });

  it.each([0, 3, 4])("keeps all three for k = %d", (k) => {
    const c = withLogits(1, 2, 3);
    topK(c, k);
    expect(left(c)).toEqual([0, 1, 2]);
  });
});

describe("top-p", () => {
  it.each([
    [0, [1]],
    [0.49, [1]],
    [0.51, [1, 2]],
    [0.74, [1, 2]],
    [0.76, [0, 1, 2]],
    [0.88, [0, 1, 2, 3]],
    [1, [0, 1, 2, 3]],
  ])("%f keeps the smallest set that reaches it", (p, want) => {
    const c = weighing(1, 4, 2, 1); // 1/8, 1/2, 1/4, 1/8
    topP(c, p);
    expect(left(c)).toEqual(want);
  });
});

describe("min-p", () => {
  it.each([
    [0, [0, 1, 2, 3]],
    [0.2, [0, 1, 2, 3]],
    [0.3, [1, 2]],
    [0.6, [1]],
    [1, [1]],
  ])("%f keeps what is at least that likely relative to the best", (p, want) => {
    const c = weighing(1, 4, 2, 1);
    minP(c, p);
    expect(left(c)).toEqual(want);
  });
});

describe("typical", () => {
  // p = 0.5, 0.2, 0.15, 0.15: entropy 1.2376; |surprise - entropy| = 0.5445, 0.3718, 0.6595, 0.6595.
  it.each([
    [0.1, [1]],
    [0.3, [0, 1]],
    [0.75, [0, 1, 2]],
    [0.9, [0, 1, 2, 3]],
    [1, [0, 1, 2, 3]],
  ])("%f keeps the tokens nearest to the entropy", (p, want) => {
    const c = weighing(0.5, 0.2, 0.15, 0.15);
    typical(c, p);
    expect(left(c)).toEqual(want);
  });

  it("ignores impossible tokens", () => {
    const c = withLogits(-Infinity, 0, 0, -Infinity);
    typical(c, 0.99);
    expect(left(c)).toEqual([1, 2]);
  });
});

describe("XTC", () => {
  it.each([
    [0.15, [2, 3]], // 0.4, 0.3, 0.2 reach it: all but the least go
    [0.25, [1, 2, 3]],
    [0.35, [0, 1, 2, 3]], // only one reaches it
    [0.5, [0, 1, 2, 3]],
    [0, [3]],
  ])("at threshold %f leaves the least of the likely tokens and all unlikely ones", (threshold, want) => {
    const c = weighing(0.4, 0.3, 0.2, 0.1);
    excludeTopChoices(c, threshold);
    expect(left(c)).toEqual(want);
  });

  it("leaves one of equals, the highest id", () => {
    const c = weighing(1, 1, 1);
    excludeTopChoices(c, 0.2);
    expect(left(c)).toEqual([2]);
  });

  it("never leaves an impossible token alone", () => {
    const c = withLogits(0, -Infinity, 0);
    excludeTopChoices(c, 0);
    c.softmax();
    expect(c.ids[c.at(0.5)]).toBe(2);
  });
});

describe("penalties", () => {
  it("adds logit biases", () => {
    const c = withLogits(1, 2, 3);
    applyLogitBias(
      c,
      new Map([
        [0, 5],
        [2, -Infinity],
      ]),
    );
    expect([...c.logits]).toEqual([6, 2, -Infinity]);
  });

  it("divides positive and multiplies negative logits of repeated tokens", () => {
    const c = withLogits(3, -3, 0, 3, -Infinity);
    applyRepetitionPenalty(c, [0, 1, 2, 4], 1.5);
    expect([...c.logits]).toEqual([2, -4.5, 0, 3, -Infinity]);
  });

  it("subtracts presence once and frequency per occurrence", () => {
    const c = withLogits(1, 1, 1);
    applyCountPenalties(
      c,
      new Map([
        [0, 1],
        [1, 3],
      ]),
      0.5,
      0.25,
    );
    expect([...c.logits]).toEqual([0.25, -0.25, 1]);
  });
});

describe("mirostat", () => {
  it("cuts what is more surprising than mu = 2 tau at first", () => {
    const c = weighing(8, 4, 2, 1, 1); // surprise 1, 2, 3, 4, 4 bits
    new Mirostat(1.6, 0.1).choose(c, 0);
    expect(left(c)).toEqual([0, 1, 2]);
  });

  it("always leaves the most likely token", () => {
    const c = weighing(3, 3, 3, 4);
    expect(c.ids[new Mirostat(0.1, 0.1).choose(c, 0.99)]).toBe(3);
  });

  it("moves mu by eta times the error of the surprise before truncation", () => {
    const mirostat = new Mirostat(2, 0.5); // mu = 4
    const first = weighing(8, 4, 2, 1, 1);
    expect(mirostat.choose(first, 0)).toBe(0); // 1 bit: mu = 4 - 0.5 (1 - 2) = 4.5
    const second = weighing(16, 8, 4, 2, 1, 1); // 1, 2, 3, 4, 5, 5 bits
    mirostat.choose(second, 0.999); // 4 bits: mu = 4.5 - 0.5 (4 - 2) = 3.5
    expect(left(second)).toEqual([0, 1, 2, 3]);
    const third = weighing(16, 8, 4, 2, 1, 1);
    mirostat.choose(third, 0);
    expect(left(third)).toEqual([0, 1, 2]);
  });

  it("makes the average surprise the target", () => {
    const zipf = Float32Array.from({ length: 2000 }, (_, i) => -1.1 * Math.log(i + 1));
    const c = new Candidates(zipf.length);
    c.load(zipf);
    c.softmax();
    const { logSum } = c;
    for (const tau of [3, 4.5, 6]) {
      const mirostat = new Mirostat(tau, 0.1);
      const random = new Random(11n);
      let total = 0;
      const steps = 2000;
      for (let i = 0; i < steps; i++) {
        c.load(zipf);
        total += (logSum - zipf[c.ids[mirostat.choose(c, random.uniform())]!]!) / Math.LN2;
      }
      expect(total / steps).toBeCloseTo(tau, 1);
    }
  });
});
