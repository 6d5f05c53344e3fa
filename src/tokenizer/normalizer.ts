import { compileOniguruma } from "./oniguruma.ts";
import type { NormalizerStep, TokenizerSpec } from "./spec.ts";

/**
 * The function that a text goes through before it is split.
 * @throws ConfigError for a pattern that cannot be compiled
 */
export function compileNormalizer(spec: Pick<TokenizerSpec, "normalizer" | "source">): (text: string) => string {
  const steps = spec.normalizer.map((step, i) => compileStep(step, `${spec.source}: normalizer[${i}]`));
  return (text) => steps.reduce((result, step) => step(result), text);
}

function compileStep(step: NormalizerStep, field: string): (text: string) => string {
  if (step.kind === "form") return (text) => text.normalize(step.form);
  const { pattern, content } = step;
  const find = "literal" in pattern ? pattern.literal : compileOniguruma(pattern.regex, field);
  return (text) => text.replaceAll(find, () => content);
}
