import type { Candidates } from "./candidates.ts";

/** Divides the logits by `temperature` > 0, measured from the largest, so that no temperature makes them overflow. */
export function applyTemperature(c: Candidates, temperature: number): void {
  if (temperature === 1) return;
  const max = c.logits[c.best()]!;
  for (let i = 0; i < c.count; i++) c.logits[i] = (c.logits[i]! - max) / temperature;
}
