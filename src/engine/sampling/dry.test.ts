import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Candidates } from "./candidates.ts";
import { type DryOptions, DryPenalty } from "./dry.ts";

const options: DryOptions = { multiplier: 1, base: 2, allowedLength: 1, lastN: -1, breakers: [] };
const repetitions = (history: number[], changed: Partial<DryOptions> = {}) =>
  Object.fromEntries(new DryPenalty({ ...options, ...changed }).repetitions(history));

/** The proposal as written: every earlier place, compared backwards token by token. */
function naive(history: readonly number[], { allowedLength, lastN, breakers }: DryOptions) {
  const window = lastN < 0 ? [...history] : history.slice(Math.max(0, history.length - lastN));
  const isBreak = window.map((_, at) =>
    breakers.some((b) => b.every((token, i) => window[at - b.length + 1 + i] === token)),
  );
  const single = new Set(breakers.filter((b) => b.length === 1).map((b) => b[0]));
  const found: Record<number, number> = {};
  for (let place = 1; place < window.length; place++) {
    let length = 0;
    while (
      place - 1 - length >= 0 &&
      window[place - 1 - length] === window[window.length - 1 - length] &&
      !isBreak[window.length - 1 - length]
    ) {
      length++;
    }
    const next = window[place]!;
    if (length >= allowedLength && !single.has(next)) found[next] = Math.max(found[next] ?? 0, length);
  }
  return found;
}

describe("DryPenalty", () => {
  it("finds how long a repetition each token would extend", () => {
    //                  ┌ 1 2 was followed by 3        ┌ 9 1 2 by 4
    expect(repetitions([1, 2, 3, 9, 1, 2, 4, 9, 1, 2])).toEqual({ 3: 2, 4: 3 });
  });

  it("leaves repetitions below the allowed length alone", () => {
    expect(repetitions([1, 2, 3, 9, 1, 2, 4, 9, 1, 2], { allowedLength: 3 })).toEqual({ 4: 3 });
    expect(repetitions([1, 2, 3], {})).toEqual({});
    expect(repetitions([], {})).toEqual({});
  });

  it("does not reach across a breaker, and never penalises one", () => {
    const history = [9, 1, 2, 4, 9, 1, 2];
    expect(repetitions(history, { breakers: [[9]] })).toEqual({ 4: 2 });
    expect(repetitions(history, { breakers: [[2]] })).toEqual({});
    expect(repetitions(history, { breakers: [[4]] })).toEqual({});
    expect(repetitions(history, { breakers: [[9, 1]] })).toEqual({ 4: 1 });
    expect(repetitions(history, { breakers: [[8, 9]] })).toEqual({ 4: 3 });
  });

  it("looks back only as far as told", () => {
    expect(repetitions([1, 2, 3, 1, 2], { lastN: 4 })).toEqual({ 3: 1 });
    expect(repetitions([1, 2, 3, 1, 2], { lastN: 3 })).toEqual({});
    expect(repetitions([1, 2, 3, 1, 2], { lastN: 100 })).toEqual({ 3: 2 });
  });

  it("subtracts multiplier * base^(length - allowed length)", () => {
    const c = new Candidates(10);
    c.load(new Float32Array(10));
    new DryPenalty({ ...options, multiplier: 0.8, base: 1.75 }).apply(c, [1, 2, 3, 9, 1, 2, 4, 9, 1, 2]);
    const want = [0, 0, 0, -0.8 * 1.75, -0.8 * 1.75 ** 2, 0, 0, 0, 0, 0];
    for (const [token, logit] of want.entries()) expect(c.logits[token]).toBeCloseTo(logit, 12);
  });

  it("stays finite when the power overflows", () => {
    const c = new Candidates(4);
    c.load(new Float32Array(4));
    new DryPenalty({ ...options, base: 10 }).apply(c, Array(2000).fill(3));
    expect(c.logits[3]).toBeLessThan(-1e29);
    expect(c.logits[3]).toBeGreaterThan(-Infinity);
  });

  it("agrees with the definition on random histories", () => {
    const token = fc.integer({ min: 0, max: 3 });
    const breaker = fc.array(token, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(
        fc.array(token, { maxLength: 60 }),
        fc.array(breaker, { maxLength: 2 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: -1, max: 50 }),
        (history, breakers, allowedLength, lastN) => {
          const changed = { breakers, allowedLength, lastN };
          expect(repetitions(history, changed)).toEqual(naive(history, { ...options, ...changed }));
        },
      ),
      { numRuns: 3000, seed: 5 },
    );
  });

  it("takes a long history that repeats one token", () => {
    expect(repetitions(Array(100_000).fill(7))).toEqual({ 7: 99_999 });
  });
});
