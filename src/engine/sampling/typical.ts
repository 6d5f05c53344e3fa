import type { Candidates } from "./candidates.ts";

/**
 * Locally typical sampling: orders tokens by how far their surprise -ln p lies from the entropy, nearest first, and
 * keeps the smallest set that reaches probability `p`; 1 is off. Source: Meister et al. 2022, arXiv:2202.00666.
 */
export function typical(c: Candidates, p: number): void {
  if (p >= 1) return;
  c.softmax();
  const { logits, probs, keys, logSum, count } = c;
  let entropy = 0;
  for (let i = 0; i < count; i++) if (probs[i]! > 0) entropy += probs[i]! * (logSum - logits[i]!);
  for (let i = 0; i < count; i++) keys[i] = -Math.abs(logSum - logits[i]! - entropy);
  c.keepMass(keys, probs, p);
}
