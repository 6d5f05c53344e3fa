import type { SamplingInput } from "../engine/sampling/params.ts";
import { SAMPLING_NUMBERS } from "../engine/sampling/params.ts";
import type { ChoiceArg, FlagArg, NumberArg, TextArg } from "./command.ts";

/** Arguments that several commands take. */
export const modelArg = {
  type: "text",
  env: "DEEPTS_MODEL",
  help: ".gguf file (of a split one the first) or directory with config.json; default the embedded model",
} as const satisfies TextArg;

export const textModelArg = {
  ...modelArg,
  help: ".gguf file or directory, which needs its tokenizer files only; default the embedded model",
} as const satisfies TextArg;

export const backendArg = {
  type: "text",
  default: "auto",
  env: "DEEPTS_BACKEND",
  help: "auto, cpu, wasm, reference, or the path of a module that exports createBackend()",
} as const satisfies TextArg;

export const threadsArg = {
  type: "integer",
  value: "N",
  min: 1,
  max: 256,
  env: "DEEPTS_THREADS",
  help: "threads of the cpu and wasm backends; default the physical cores that the process may use",
} as const satisfies NumberArg;

export const numericsArg = {
  type: "choice",
  values: ["auto", "exact", "fast"],
  default: "auto",
  env: "DEEPTS_NUMERICS",
  help: "exact: f32 throughout; fast: 8-bit activations on quantised weights; auto: fast where weights are quantised and the backend can",
} as const satisfies ChoiceArg;

/** For commands that measure a model rather than serve it. */
export const exactNumericsArg = { ...numericsArg, default: "exact" } as const satisfies ChoiceArg;

export const cacheTypeArg = {
  type: "choice",
  values: ["auto", "f32", "f16", "q8_0"],
  default: "auto",
  env: "DEEPTS_CACHE_TYPE",
  help: "what the cache is kept in; auto: f16 for fast numerics, f32 for exact ones",
} as const satisfies ChoiceArg;

export const ctxSizeArg = {
  type: "integer",
  value: "TOKENS",
  min: 1,
  env: "DEEPTS_CTX_SIZE",
  help: "tokens that prompt and answer may have together; default the model's own limit, at most 8192",
} as const satisfies NumberArg;

export const deterministicArg = {
  type: "flag",
  help: "the same seed gives the same answer also where its beginning was in the cache; what was generated is read again then",
} as const satisfies FlagArg;

export const parallelArg = {
  type: "integer",
  value: "N",
  min: 1,
  max: 1024,
  default: 4,
  env: "DEEPTS_PARALLEL",
  help: "answers that are made at the same time; others wait",
} as const satisfies NumberArg;

/** A sampling parameter; where it is not given, the model's own recommendation holds, then the engine's default. */
function sampling<const F extends keyof typeof SAMPLING_NUMBERS>(field: F, help: string) {
  const { default: neutral, ...range } = SAMPLING_NUMBERS[field];
  const type = "integer" in range ? ("integer" as const) : ("number" as const);
  return { ...range, type, value: "N", help: `${help}; default the model's own, else ${neutral}` } as const;
}

export const samplingArgs = {
  temperature: sampling("temperature", "divides the logits; 0 always takes the likeliest token"),
  topP: sampling("topP", "keep the likeliest tokens that together reach this probability"),
  topK: sampling("topK", "keep this many of the likeliest tokens; 0 keeps all"),
  minP: sampling("minP", "keep tokens at least this likely, as a part of the likeliest one"),
  seed: { type: "integer", value: "N", help: "makes the answer repeatable; default another one each time" },
} as const;

export const maxTokensArg = {
  type: "integer",
  value: "N",
  min: 1,
  help: "longest answer; default the model's own, else until the context is full",
} as const satisfies NumberArg;

/** How a model computes, as loadModel takes it. */
export const computeArgs = {
  backend: backendArg,
  threads: threadsArg,
  numerics: numericsArg,
  cacheType: cacheTypeArg,
} as const;

/** The sampling arguments as the engine takes them. */
export function samplingOf(args: { readonly [K in keyof typeof samplingArgs]: number | undefined }): SamplingInput {
  const { temperature, topP, topK, minP, seed } = args;
  return { temperature, topP, topK, minP, seed };
}
