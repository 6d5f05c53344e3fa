import type { GgufMetadata } from "../formats/gguf-metadata.ts";
import { ConfigFields } from "../model/config-fields.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import { specFromGguf } from "../tokenizer/tokenizer-gguf.ts";
import type { SamplingInput } from "./sampling/params.ts";

/** What a model says about text: vocabulary, chat template, where an answer ends, how it likes to be sampled. */
export interface ModelText {
  readonly tokenizer: Tokenizer;
  /** Jinja source, or null: the model cannot chat. */
  readonly chatTemplate: string | null;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  readonly endTokens: ReadonlySet<number>;
  readonly defaults: GenerationDefaults;
}

/** What a model's authors recommend; requests override it field by field. */
export interface GenerationDefaults {
  readonly sampling: SamplingInput;
  readonly maxTokens: number | null;
}

/** Keys of `general.sampling.*` and the parameters they set. Source: gguf-py constants, Keys.General.Sampling. */
export const GGUF_SAMPLING = {
  "general.sampling.temp": "temperature",
  "general.sampling.top_k": "topK",
  "general.sampling.top_p": "topP",
  "general.sampling.min_p": "minP",
  "general.sampling.penalty_repeat": "repetitionPenalty",
  "general.sampling.penalty_last_n": "repeatLastN",
} as const;

/** GGUF has no key of its own for generation_config.json's max_new_tokens. */
export const GGUF_MAX_NEW_TOKENS = "deepts.generation.max_new_tokens";

/** Everything about text that a GGUF file holds. @throws ConfigError */
export function textFromGguf(metadata: GgufMetadata): ModelText {
  const id = (name: string) => metadata.optionalNumber(`tokenizer.ggml.${name}_token_id`);
  const tokens = metadata.strings("tokenizer.ggml.tokens");
  const tokenizer = new Tokenizer(
    specFromGguf({
      model: metadata.string("tokenizer.ggml.model"),
      pre: metadata.optionalString("tokenizer.ggml.pre"),
      tokens,
      tokenTypes: metadata.optionalNumbers("tokenizer.ggml.token_type"),
      merges: metadata.optionalStrings("tokenizer.ggml.merges"),
      bosId: id("bos"),
      eosId: id("eos"),
      unkId: id("unknown"),
      addBos: metadata.optionalBool("tokenizer.ggml.add_bos_token"),
    }),
  );
  const sampling: Record<string, number> = {};
  for (const [key, field] of Object.entries(GGUF_SAMPLING)) {
    const value = metadata.optionalNumber(key);
    if (value !== undefined) sampling[field] = value;
  }
  const ends = ["eos", "eot", "eom"].flatMap((name) => id(name) ?? []);
  return {
    tokenizer,
    chatTemplate: metadata.optionalString("tokenizer.chat_template") ?? null,
    bosToken: tokens[id("bos") ?? -1] ?? null,
    eosToken: tokens[id("eos") ?? -1] ?? null,
    endTokens: new Set(ends),
    defaults: { sampling, maxTokens: metadata.optionalNumber(GGUF_MAX_NEW_TOKENS) ?? null },
  };
}

/**
 * What generation_config.json and config.json of a Hugging Face directory add to its tokenizer files.
 * @param generationConfig null when there is no such file
 * @throws ConfigError
 */
export function generationFromHf(
  config: unknown,
  generationConfig: unknown | null,
): { endTokens: number[]; defaults: GenerationDefaults } {
  const model = new ConfigFields(config, "config.json");
  const generation = new ConfigFields(generationConfig ?? {}, "generation_config.json");
  const sampling: { -readonly [K in keyof SamplingInput]: SamplingInput[K] } = {};
  const greedy = generation.optionalBool("do_sample") === false;
  if (greedy) sampling.temperature = 0;
  else if (generation.has("temperature")) sampling.temperature = generation.number("temperature");
  if (generation.has("top_k")) sampling.topK = generation.count("top_k");
  if (generation.has("top_p")) sampling.topP = generation.number("top_p");
  if (generation.has("min_p")) sampling.minP = generation.number("min_p");
  if (generation.has("repetition_penalty")) sampling.repetitionPenalty = generation.number("repetition_penalty");
  return {
    endTokens: [...model.ids("eos_token_id"), ...generation.ids("eos_token_id")],
    defaults: { sampling, maxTokens: generation.optionalSize("max_new_tokens") },
  };
}
