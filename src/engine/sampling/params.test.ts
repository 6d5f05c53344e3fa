import { describe, expect, it } from "vitest";
import { ConfigError } from "../../errors.ts";
import { SAMPLING_NUMBERS, type SamplingInput, validateSampling } from "./params.ts";

const refused = (input: unknown, vocabSize?: number): ConfigError => {
  try {
    validateSampling(input as SamplingInput, vocabSize);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("was accepted");
};

describe("validateSampling", () => {
  it("fills in neutral defaults", () => {
    expect(validateSampling({ topP: undefined })).toEqual({
      temperature: 1,
      topK: 0,
      topP: 1,
      minP: 0,
      typicalP: 1,
      repetitionPenalty: 1,
      repeatLastN: -1,
      presencePenalty: 0,
      frequencyPenalty: 0,
      dryMultiplier: 0,
      dryBase: 1.75,
      dryAllowedLength: 2,
      dryPenaltyLastN: -1,
      drySequenceBreakers: [],
      xtcProbability: 0,
      xtcThreshold: 0.1,
      logitBias: new Map(),
      seed: null,
      mirostat: 0,
      mirostatTau: 5,
      mirostatEta: 0.1,
    });
  });

  describe.each(Object.entries(SAMPLING_NUMBERS))("%s", (field, { min, max, ...rule }) => {
    const aboveMin = "aboveMin" in rule;
    it("accepts its whole range", () => {
      expect(validateSampling({ [field]: max })).toMatchObject({ [field]: max });
      const low = aboveMin ? Number.MIN_VALUE : min;
      expect(validateSampling({ [field]: low })).toMatchObject({ [field]: low });
    });
    const wrong = [Number.NaN, Infinity, -Infinity, max + 1, min - 1, "1", null, true, {}, 1n];
    if (aboveMin) wrong.push(min);
    if ("integer" in rule) wrong.push(1.5);
    it.each(wrong)("refuses %s and names the field", (value) => {
      expect(refused({ [field]: value }).field).toBe(field);
    });
  });

  it("refuses fields it does not know", () => {
    expect(refused({ tempurature: 1 }).message).toBe("tempurature: not a sampling parameter");
    expect(refused({ toString: 1 }).field).toBe("toString");
  });

  it("takes seeds modulo 2^64", () => {
    const seed = (value: bigint | number | null) => validateSampling({ seed: value }).seed;
    expect([seed(7), seed(-1), seed(2n ** 64n + 3n), seed(null)]).toEqual([7n, 2n ** 64n - 1n, 3n, null]);
  });

  it.each([1.5, Number.NaN, 2 ** 53, "1", true])("refuses the seed %s", (seed) => {
    expect(refused({ seed }).field).toBe("seed");
  });

  it.each([1, 3, true, "2", null])("refuses mirostat %s", (mirostat) => {
    expect(refused({ mirostat }).field).toBe("mirostat");
  });

  it.each<[string, unknown]>([
    ["an object", { 5: 1 }],
    ["too many entries", new Map(Array.from({ length: 1025 }, (_, i) => [i, 1]))],
    ["a bias of 101", new Map([[1, 101]])],
    ["a bias of +Infinity", new Map([[1, Infinity]])],
    ["a bias of NaN", new Map([[1, Number.NaN]])],
    ["a negative token", new Map([[-1, 1]])],
    ["a fractional token", new Map([[0.5, 1]])],
    ["a token as text", new Map([["1", 1]])],
    ["a token outside the vocabulary", new Map([[100, 1]])],
  ])("refuses a logit bias with %s", (_, logitBias) => {
    expect(refused({ logitBias }, 100).field).toBe("logitBias");
  });

  it("accepts a logit bias up to its limits, and copies it", () => {
    const bias = new Map(Array.from({ length: 1024 }, (_, i) => [i, i === 0 ? -Infinity : 100]));
    const { logitBias } = validateSampling({ logitBias: bias }, 1024);
    expect(logitBias).toEqual(bias);
    expect(logitBias).not.toBe(bias);
  });

  it.each<[string, unknown]>([
    ["a string", "\n"],
    ["strings", ["\n"]],
    ["an empty sequence", [[]]],
    ["a sequence that is too long", [Array(17).fill(1)]],
    ["too many long sequences", Array(65).fill([1, 2])],
    ["too many sequences", Array(2 ** 18 + 1).fill([1])],
    ["a token outside the vocabulary", [[100]]],
  ])("refuses %s as DRY's breakers", (_, drySequenceBreakers) => {
    expect(refused({ drySequenceBreakers }, 100).field).toBe("drySequenceBreakers");
  });
});
