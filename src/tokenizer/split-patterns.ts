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

// Letters with case, as deepseek-llm's file lists them; escaped, since several change under normalisation.
const CASED_LETTERS =
  "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376" +
  "\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-" +
  "\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a" +
  "\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4" +
  "\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc" +
  "\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f" +
  "\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b" +
  "\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a" +
  "\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-" +
  "\u{118df}\u{1e900}-\u{1e943}";

/** deepseek-ai/deepseek-llm-7b-base and DeepSeek-V2(-Lite) tokenizer.json. */
const DEEPSEEK_LLM: readonly SplitStep[] = [
  isolated("[\r\n]"),
  isolated(`\\s?[${CASED_LETTERS}]+`),
  isolated("\\s?[!-/:-~！-／：-～‘-‟\u3000-。]+"),
  isolated("\\s+$"),
  isolated("[一-龥\u0800-一가-\ud7ff]+"),
  isolated("\\p{N}"),
];

/** deepseek-ai/deepseek-coder-6.7b-base tokenizer.json. */
const DEEPSEEK_CODER: readonly SplitStep[] = [
  isolated("[\r\n]"),
  isolated("\\s?\\p{L}+"),
  isolated("\\s?\\p{P}+"),
  isolated("[一-龥\u0800-一가-\ud7ff]+"),
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
