import type { Candidates } from "./candidates.ts";

/** Keeps tokens whose probability is at least `minP` times the largest; 0 is off. Source: arXiv:2407.01082. */
export function minP(c: Candidates, minP: number): void {
  if (minP === 0) return;
  const { logits } = c;
  const threshold = logits[c.best()]! + Math.log(minP);
  c.keepWhere((i) => logits[i]! >= threshold);
}
