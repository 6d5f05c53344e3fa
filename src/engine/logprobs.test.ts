import { describe, expect, it } from "vitest";
import { logSumExp, MAX_TOP_LOGPROBS, tokenLogprob, topLogprobs } from "./logprobs.ts";
import { Random } from "./sampling/random.ts";

describe("logSumExp", () => {
  it("gives the logarithm of the sum of exponentials", () => {
    expect(logSumExp(Float32Array.of(0, 0, 0, 0))).toBeCloseTo(Math.log(4), 14);
    expect(logSumExp(Float32Array.of(1, 2, -Infinity))).toBeCloseTo(Math.log(Math.E + Math.E ** 2), 14);
  });

  it("neither overflows nor underflows", () => {
    expect(logSumExp(Float32Array.of(3e38, 3e38))).toBeCloseTo(Math.fround(3e38) + Math.LN2, -30);
    expect(logSumExp(Float32Array.of(-1e4, -1e4))).toBeCloseTo(-1e4 + Math.LN2, 9);
  });

  it.each([[[1, Number.NaN]], [[1, Infinity]], [[-Infinity, -Infinity]], [[]]])("refuses %j", (row) => {
    expect(() => logSumExp(Float32Array.from(row))).toThrow(expect.objectContaining({ code: "bad_logits" }));
  });
});

describe("topLogprobs", () => {
  it("gives hand-worked values, the lowest id first among equals", () => {
    const row = Float32Array.from([1, 4, 2, 1].map(Math.log)); // p = 1/8, 1/2, 1/4, 1/8
    const top = topLogprobs(row, 3);
    expect(top.map((t) => t.token)).toEqual([1, 2, 0]);
    for (const [i, p] of [1 / 2, 1 / 4, 1 / 8].entries()) expect(top[i]!.logprob).toBeCloseTo(Math.log(p), 6);
    expect(tokenLogprob(row, 3)).toBeCloseTo(Math.log(1 / 8), 6);
  });

  it("agrees with a full sort on a large vocabulary", () => {
    const random = new Random(7n);
    // Few distinct values, so that ties abound.
    const row = Float32Array.from({ length: 20_000 }, () => Math.floor(random.uniform() * 500) / 50);
    const sorted = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b);
    const logSum = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
    for (const count of [0, 1, 5, MAX_TOP_LOGPROBS]) {
      const top = topLogprobs(row, count);
      expect(top.map((t) => t.token)).toEqual(sorted.slice(0, count));
      for (const { token, logprob } of top) expect(logprob).toBeCloseTo(row[token]! - logSum, 10);
    }
  });

  it("gives the whole vocabulary when it is smaller than the count", () => {
    expect(topLogprobs(Float32Array.of(0, 1), 20).map((t) => t.token)).toEqual([1, 0]);
  });

  it.each([-1, 1.5, MAX_TOP_LOGPROBS + 1, Number.NaN])("refuses a count of %d", (count) => {
    expect(() => topLogprobs(Float32Array.of(0, 1), count)).toThrow(RangeError);
  });
});
