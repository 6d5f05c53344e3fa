import type { Candidates } from "./candidates.ts";

/** Keeps the smallest set of most likely tokens that reaches probability `p`; 1 is off. Source: arXiv:1904.09751. */
export function topP(c: Candidates, p: number): void {
  if (p >= 1) return;
  c.softmax();
  const { probs, count } = c;
  // Even all together, tokens below this stay short of 1 - p, so the others reach p without them. In a peaked
  // distribution they are nearly the whole vocabulary, and the selection has little left to look at.
  const negligible = (1 - p) / count;
  c.keepWhere((i) => probs[i]! >= negligible);
  c.keepMass(c.logits, probs, p);
}
