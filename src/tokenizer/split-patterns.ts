import type { NormalizerStep, SplitStep } from "./spec.ts";

/**
 * Split patterns by the name that GGUF files give them (`tokenizer.ggml.pre`). Patterns are facts of the tokenizers: as
 * in the tokenizer.json (or tokenization_*.py) of the model they come from, in Oniguruma's syntax. Where llama.cpp
 * (src/llama-vocab.cpp) writes one differently, it has rewritten it for a regex engine without that feature.
 */
export interface PreTokenizer {
  readonly steps: readonly SplitStep[];
  readonly normalizer: readonly NormalizerStep[];
  readonly ignoreMerges: boolean;
  /** What a file without `tokenizer.ggml.add_bos_token` means. */
  readonly addBos: boolean;
}

/** One step of `Split` with behavior Isolated. */
export function isolated(regex: string): SplitStep {
  return { kind: "split", pattern: { regex }, behavior: "isolated", invert: false };
}

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const LINES_AND_SPACES = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** openai/gpt-2 encoder.py; what ByteLevel does with use_regex. */
export const GPT2_SPLIT = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** meta-llama/Meta-Llama-3-8B, THUDM/glm-4-9b-chat-hf, tiktoken's cl100k_base. */
const LLAMA3_SPLIT = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${LINES_AND_SPACES}`;

/** Qwen/Qwen2-7B: as Llama 3, but one digit a piece. */
const QWEN2_SPLIT = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${LINES_AND_SPACES}`;

const UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]";
const LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]";

/** moonshotai/Kimi-K2-Instruct tokenization_kimi.py and Moonlight's tokenization_moonshot.py, pat_str. */
export const KIMI_SPLIT = [
  "[\\p{Han}]+",
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${CONTRACTIONS}?`,
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${CONTRACTIONS}?`,
  "\\p{N}{1,3}",
  " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*",
  LINES_AND_SPACES,
].join("|");

/** deepseek-ai/DeepSeek-V3 tokenizer.json (also R1, V3.1, V3.2). */
const DEEPSEEK_V3: readonly SplitStep[] = [
  isolated("\\p{N}{1,3}"),
  isolated("[一-龥\u3040-ゟ゠-ヿ]+"),
  isolated(
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
  ),
];

// The letters with case of Unicode 13 (the class \p{L&} of the pattern compiler that deepseek-llm's file was made with).
const CASED_LETTERS =
  "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃";

/** deepseek-ai/deepseek-llm-7b-base and DeepSeek-V2(-Lite) tokenizer.json. */
const DEEPSEEK_LLM: readonly SplitStep[] = [
  isolated("[\r\n]"),
  isolated(`\\s?[${CASED_LETTERS}]+`),
  isolated("\\s?[!-/:-~！-／：-～‘-‟\u3000-。]+"),
  isolated("\\s+$"),
  isolated("[一-龥ࠀ-一가-퟿]+"),
  isolated("\\p{N}"),
];

/** deepseek-ai/deepseek-coder-6.7b-base tokenizer.json. */
const DEEPSEEK_CODER: readonly SplitStep[] = [
  isolated("[\r\n]"),
  isolated("\\s?\\p{L}+"),
  isolated("\\s?\\p{P}+"),
  isolated("[一-龥ࠀ-一가-퟿]+"),
  isolated("\\p{N}"),
];

const NFC: readonly NormalizerStep[] = [{ kind: "form", form: "NFC" }];

function preTokenizer(steps: readonly SplitStep[], rest: Partial<PreTokenizer> = {}): PreTokenizer {
  return { steps, normalizer: [], ignoreMerges: false, addBos: false, ...rest };
}

const GPT2 = preTokenizer([isolated(GPT2_SPLIT)]);
const LLAMA3 = preTokenizer([isolated(LLAMA3_SPLIT)], { ignoreMerges: true, addBos: true });
const QWEN2 = preTokenizer([isolated(QWEN2_SPLIT)], { normalizer: NFC });
const GLM4 = preTokenizer([isolated(LLAMA3_SPLIT)]);

/** By the value of `tokenizer.ggml.pre`. */
export const GGUF_PRE_TOKENIZERS: Readonly<Record<string, PreTokenizer>> = {
  "gpt-2": GPT2,
  "llama-bpe": LLAMA3,
  llama3: LLAMA3,
  "llama-v3": LLAMA3,
  qwen2: QWEN2,
  "deepseek-r1-qwen": QWEN2,
  "deepseek-llm": preTokenizer(DEEPSEEK_LLM),
  "deepseek-coder": preTokenizer(DEEPSEEK_CODER),
  "deepseek-v3": preTokenizer(DEEPSEEK_V3),
  glm4: GLM4,
  "chatglm-bpe": GLM4,
  // HuggingFaceTB/SmolLM2-135M-Instruct tokenizer.json: Digits(individual), then ByteLevel with its regex.
  smollm: preTokenizer([isolated("\\p{N}"), isolated(GPT2_SPLIT)]),
  // tiktoken looks a whole piece up before it merges.
  "kimi-k2": preTokenizer([isolated(KIMI_SPLIT)], { ignoreMerges: true }),
};
