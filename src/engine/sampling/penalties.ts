import type { Candidates } from "./candidates.ts";

/** Adds the biases. Must run before any removal. Source: OpenAI API, `logit_bias`. */
export function applyLogitBias(c: Candidates, bias: ReadonlyMap<number, number>): void {
  for (const [token, value] of bias) c.logits[token]! += value;
}

/**
 * Divides the positive and multiplies the negative logits of `tokens` (each once) by `penalty`.
 * Must run before any removal. Source: CTRL, arXiv:1909.05858 section 4.1, with the sign rule of Hugging Face.
 */
export function applyRepetitionPenalty(c: Candidates, tokens: Iterable<number>, penalty: number): void {
  for (const token of tokens) {
    const logit = c.logits[token]!;
    c.logits[token] = logit > 0 ? logit / penalty : logit * penalty;
  }
}

/**
 * Subtracts count * frequency + presence from every counted token.
 * Must run before any removal. Source: OpenAI API, "Frequency and presence penalties".
 */
export function applyCountPenalties(
  c: Candidates,
  counts: ReadonlyMap<number, number>,
  presence: number,
  frequency: number,
): void {
  for (const [token, count] of counts) c.logits[token]! -= count * frequency + presence;
}
