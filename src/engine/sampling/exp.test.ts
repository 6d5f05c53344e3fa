import { expect, it } from "vitest";
import { expOfNonPositive } from "./exp.ts";
import { Random } from "./random.ts";

it("agrees with Math.exp to a relative 1e-13", () => {
  const random = new Random(4n);
  let worst = 0;
  for (let i = 0; i < 200_000; i++) {
    const x = -random.uniform() * (i % 2 === 0 ? 700 : 1);
    worst = Math.max(worst, Math.abs(expOfNonPositive(x) / Math.exp(x) - 1));
  }
  expect(worst).toBeLessThan(1e-13);
});

it("handles the ends of its range", () => {
  const values = [0, -0, -Number.MIN_VALUE, -745, -746, -1e300, -Infinity, Number.NaN].map(expOfNonPositive);
  expect(values).toEqual([1, 1, 1, Math.exp(-745), 0, 0, 0, Number.NaN]);
});
