import type { ServedModel } from "../engine/generation.ts";
import { ApiError } from "../errors.ts";

/** Tokens before the prefix, between prefix and suffix, and after the suffix, where the middle begins. */
const MARKERS: readonly (readonly [before: string, between: string, after: string])[] = [
  ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"], // DeepSeek
  ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"], // Qwen
  ["<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"], // GLM
];

/**
 * A prompt whose answer is what stands between two texts. Both are plain text, whatever special tokens they spell.
 * @throws ApiError 400 where the vocabulary has no tokens for it
 */
export function fillInTheMiddle(model: ServedModel, prefix: string, suffix: string): number[] {
  for (const texts of MARKERS) {
    // An ordinary vocabulary has no single token for such a text.
    const markers = texts.map((text) => model.encode(text, { special: true }));
    if (markers.some((ids) => ids.length !== 1)) continue;
    const [before, between, after] = markers.flat() as [number, number, number];
    return [...model.encodePrompt(""), before, ...model.encode(prefix), between, ...model.encode(suffix), after];
  }
  throw new ApiError(400, "'suffix' is not supported: this model has no tokens for filling in the middle", {
    param: "suffix",
    code: "unsupported_parameter",
  });
}
