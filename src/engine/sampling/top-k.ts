import type { Candidates } from "./candidates.ts";

/** Keeps the `k` largest logits, the lowest ids among equals; 0 is off. Source: Fan et al., arXiv:1805.04833. */
export function topK(c: Candidates, k: number): void {
  if (k === 0 || k >= c.count) return;
  const ones = c.keys.fill(1, 0, c.count);
  c.keepMass(c.logits, ones, k);
}
