import type { Candidates } from "./candidates.ts";

/**
 * Excludes the top choices: of the tokens at least `threshold` likely, when there are two or more, only the least
 * likely stays (the highest id among equals); the others are untouched. The caller has thrown the dice.
 * Source: p-e-w, oobabooga/text-generation-webui#6335.
 */
export function excludeTopChoices(c: Candidates, threshold: number): void {
  c.softmax();
  const { probs, count } = c;
  let least = -1;
  for (let i = 0; i < count; i++) {
    if (probs[i]! > 0 && probs[i]! >= threshold && (least < 0 || probs[i]! <= probs[least]!)) least = i;
  }
  if (least >= 0) c.keepWhere((i) => probs[i]! < threshold || i === least);
}
