import type { Candidates } from "./candidates.ts";

/** Keeps the smallest set of most likely tokens that reaches probability `p`; 1 is off. Source: arXiv:1904.09751. */
export function topP(c: Candidates, p: number): void {
  if (p >= 1) return;
  c.softmax();
  c.keepMass(c.logits, c.probs, p);
}
