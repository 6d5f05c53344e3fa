import { type Candidates, MAX_LARGEST } from "./candidates.ts";

/** Keeps the `k` largest logits, the lowest ids among equals; 0 is off. Source: Fan et al., arXiv:1805.04833. */
export function topK(c: Candidates, k: number): void {
  if (k === 0 || k >= c.count) return;
  if (k <= MAX_LARGEST) c.keepLargest(k);
  else c.keepMass(c.logits, c.keys.fill(1, 0, c.count), k);
}
