import { ConfigError } from "../../errors.ts";

/**
 * How the next token is chosen. Every default is the neutral value, so that `validateSampling({})` samples from the
 * model's own distribution. The order in which the parameters act is fixed; see `createSampler`.
 */
export interface SamplingParams {
  /** Divides the logits. 0 is greedy: the largest penalised logit, the lowest id among equals. 0..100, default 1. */
  readonly temperature: number;
  /** Keeps the k most likely tokens; 0 is off. Integer >= 0, default 0. Source: Fan et al., arXiv:1805.04833. */
  readonly topK: number;
  /**
   * Keeps the smallest set of most likely tokens whose probabilities reach topP, at least one. 0..1, default 1 (off).
   * Source: Holtzman et al., arXiv:1904.09751.
   */
  readonly topP: number;
  /** Keeps tokens at least minP times as likely as the best. 0..1, default 0 (off). Source: arXiv:2407.01082. */
  readonly minP: number;
  /**
   * Keeps the smallest set of tokens, those first whose surprise is nearest to the entropy, that reaches typicalP.
   * (0, 1], default 1 (off). Source: Meister et al. 2022, arXiv:2202.00666.
   */
  readonly typicalP: number;
  /**
   * Divides positive and multiplies negative logits of tokens in the last `repeatLastN` tokens of prompt and answer.
   * (0, 10], default 1 (off). Source: CTRL, arXiv:1909.05858 section 4.1, with the sign rule of Hugging Face.
   */
  readonly repetitionPenalty: number;
  /** Window of repetitionPenalty: -1 all tokens (Hugging Face's meaning), 0 none. Integer >= -1, default -1. */
  readonly repeatLastN: number;
  /** Subtracted once from tokens already in the answer (not the prompt). -2..2, default 0. Source: OpenAI API. */
  readonly presencePenalty: number;
  /** Subtracted for each time a token is already in the answer. -2..2, default 0. Source: OpenAI API. */
  readonly frequencyPenalty: number;
  /**
   * DRY: a token that would extend a repetition of n tokens loses dryMultiplier * dryBase^(n - dryAllowedLength).
   * 0..100, default 0 (off). Source: p-e-w, oobabooga/text-generation-webui#5677.
   */
  readonly dryMultiplier: number;
  /** Growth of DRY's penalty with each further repeated token. 1..10, default 1.75. */
  readonly dryBase: number;
  /** Longest repetition that DRY lets pass unpenalised is one less than this. Integer >= 1, default 2. */
  readonly dryAllowedLength: number;
  /** How far back DRY looks, in tokens of prompt and answer: -1 all, 0 none. Integer >= -1, default -1. */
  readonly dryPenaltyLastN: number;
  /**
   * Token sequences that a repetition does not reach across; `breakerSequences` makes them from strings.
   * Up to 2^18 single tokens and 64 longer sequences of up to 16. Default none.
   */
  readonly drySequenceBreakers: readonly (readonly number[])[];
  /** XTC: the chance that a step leaves out its most likely tokens. 0..1, default 0 (off). Source: p-e-w, text-generation-webui#6335. */
  readonly xtcProbability: number;
  /** XTC removes tokens at least this likely, save the least likely of them. 0..1, default 0.1; above 0.5 no effect. */
  readonly xtcThreshold: number;
  /** Added to the logits of these token ids. Up to 1024 entries, each -100..100 or -Infinity (never). Source: OpenAI API. */
  readonly logitBias: ReadonlyMap<number, number>;
  /** Seed of the random numbers, taken modulo 2^64; null picks one. Default null. */
  readonly seed: bigint | null;
  /** 2 chooses by mirostat v2 in place of topK .. XTC; 0 is off. Default 0. Source: Basu et al., arXiv:2007.14966. */
  readonly mirostat: 0 | 2;
  /** Mirostat's target surprise in bits. (0, 100], default 5. */
  readonly mirostatTau: number;
  /** Mirostat's learning rate. (0, 1], default 0.1. */
  readonly mirostatEta: number;
}

/** What a caller may give: any subset; a seed may also be a safe integer. */
export type SamplingInput = Partial<Omit<SamplingParams, "seed">> & { readonly seed?: bigint | number | null };

export interface NumberRule {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly integer?: true;
  /** `min` itself is refused. */
  readonly aboveMin?: true;
}

const MAX_INT = 2 ** 31 - 1;

/** Default and range of every numeric parameter; the meaning is at `SamplingParams`. */
export const SAMPLING_NUMBERS = {
  temperature: { default: 1, min: 0, max: 100 },
  topK: { default: 0, min: 0, max: MAX_INT, integer: true },
  topP: { default: 1, min: 0, max: 1 },
  minP: { default: 0, min: 0, max: 1 },
  typicalP: { default: 1, min: 0, max: 1, aboveMin: true },
  repetitionPenalty: { default: 1, min: 0, max: 10, aboveMin: true },
  repeatLastN: { default: -1, min: -1, max: MAX_INT, integer: true },
  presencePenalty: { default: 0, min: -2, max: 2 },
  frequencyPenalty: { default: 0, min: -2, max: 2 },
  dryMultiplier: { default: 0, min: 0, max: 100 },
  dryBase: { default: 1.75, min: 1, max: 10 },
  dryAllowedLength: { default: 2, min: 1, max: MAX_INT, integer: true },
  dryPenaltyLastN: { default: -1, min: -1, max: MAX_INT, integer: true },
  xtcProbability: { default: 0, min: 0, max: 1 },
  xtcThreshold: { default: 0.1, min: 0, max: 1 },
  mirostatTau: { default: 5, min: 0, max: 100, aboveMin: true },
  mirostatEta: { default: 0.1, min: 0, max: 1, aboveMin: true },
} as const satisfies { [Field in keyof SamplingParams]?: NumberRule };

type NumberField = keyof typeof SAMPLING_NUMBERS;

const MAX_LOGIT_BIAS = 1024;
const MAX_BREAKER_TOKENS = 2 ** 18;
const MAX_LONG_BREAKERS = 64;
const MAX_BREAKER_LENGTH = 16;

/**
 * Completes and checks sampling parameters. `undefined` means the default.
 * @param vocabSize when given, token ids must be below it
 * @throws ConfigError naming the field: unknown, of the wrong type, NaN, out of range, or a list that is too long
 */
export function validateSampling(input: SamplingInput, vocabSize = MAX_INT): SamplingParams {
  const { seed, mirostat, logitBias, drySequenceBreakers, ...numbers } = input;
  for (const field of Object.keys(numbers)) {
    if (!Object.hasOwn(SAMPLING_NUMBERS, field)) throw new ConfigError(field, "not a sampling parameter");
  }
  const given: { readonly [field: string]: unknown } = numbers;
  const checked = Object.fromEntries(
    Object.entries(SAMPLING_NUMBERS).map(([field, rule]) => [field, checkNumber(field, given[field], rule)]),
  ) as Record<NumberField, number>;
  return {
    ...checked,
    seed: checkSeed(seed),
    mirostat: checkMirostat(mirostat),
    logitBias: checkLogitBias(logitBias, vocabSize),
    drySequenceBreakers: checkBreakers(drySequenceBreakers, vocabSize),
  };
}

function checkNumber(field: string, value: unknown, rule: NumberRule): number {
  if (value === undefined) return rule.default;
  const valid =
    typeof value === "number" &&
    value <= rule.max &&
    (rule.aboveMin ? value > rule.min : value >= rule.min) &&
    (!rule.integer || Number.isInteger(value));
  if (valid) return value;
  const kind = rule.integer ? "an integer" : "a number";
  const from = rule.aboveMin ? `above ${rule.min}` : `from ${rule.min}`;
  throw new ConfigError(field, `want ${kind} ${from} up to ${rule.max}, got ${shown(value)}`);
}

function checkSeed(seed: unknown): bigint | null {
  if (seed === undefined || seed === null) return null;
  if (typeof seed === "bigint") return BigInt.asUintN(64, seed);
  if (Number.isSafeInteger(seed)) return BigInt.asUintN(64, BigInt(seed as number));
  throw new ConfigError("seed", `want an integer (a bigint beyond 2^53), got ${shown(seed)}`);
}

function checkMirostat(mirostat: unknown): 0 | 2 {
  if (mirostat === undefined || mirostat === 0) return 0;
  if (mirostat === 2) return 2;
  throw new ConfigError("mirostat", `want 0 (off) or 2, got ${shown(mirostat)}`);
}

function checkLogitBias(bias: unknown, vocabSize: number): ReadonlyMap<number, number> {
  if (bias === undefined) return new Map();
  if (!(bias instanceof Map)) throw new ConfigError("logitBias", "want a Map from token id to bias");
  if (bias.size > MAX_LOGIT_BIAS) {
    throw new ConfigError("logitBias", `want at most ${MAX_LOGIT_BIAS} entries, got ${bias.size}`);
  }
  for (const [token, value] of bias) {
    checkToken("logitBias", token, vocabSize);
    const valid = typeof value === "number" && (value === -Infinity || (value >= -100 && value <= 100));
    if (!valid)
      throw new ConfigError("logitBias", `token ${token}: want -100 to 100 or -Infinity, got ${shown(value)}`);
  }
  return new Map(bias);
}

function checkBreakers(breakers: unknown, vocabSize: number): readonly (readonly number[])[] {
  const field = "drySequenceBreakers";
  if (breakers === undefined) return [];
  if (!Array.isArray(breakers)) throw new ConfigError(field, "want a list of token id lists");
  if (breakers.length > MAX_BREAKER_TOKENS) {
    throw new ConfigError(field, `want at most ${MAX_BREAKER_TOKENS} sequences, got ${breakers.length}`);
  }
  let long = 0;
  for (const sequence of breakers) {
    if (!Array.isArray(sequence) || sequence.length < 1 || sequence.length > MAX_BREAKER_LENGTH) {
      throw new ConfigError(field, `want sequences of 1 to ${MAX_BREAKER_LENGTH} token ids`);
    }
    for (const token of sequence) checkToken(field, token, vocabSize);
    if (sequence.length > 1) long++;
  }
  if (long > MAX_LONG_BREAKERS) {
    throw new ConfigError(field, `want at most ${MAX_LONG_BREAKERS} sequences of several tokens, got ${long}`);
  }
  return breakers.map((sequence) => [...sequence]);
}

function checkToken(field: string, token: unknown, vocabSize: number): void {
  if (Number.isInteger(token) && (token as number) >= 0 && (token as number) < vocabSize) return;
  throw new ConfigError(field, `want token ids from 0 to ${vocabSize - 1}, got ${shown(token)}`);
}

function shown(value: unknown): string {
  return typeof value === "string"
    ? JSON.stringify(value.slice(0, 40))
    : typeof value === "object"
      ? "an object"
      : String(value);
}
