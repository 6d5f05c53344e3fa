import { describe, expect, it } from "vitest";
import { ConfigError } from "../../errors.ts";
import { Candidates } from "./candidates.ts";
import { type SamplingInput, validateSampling } from "./params.ts";
import { Random } from "./random.ts";
import { createSampler } from "./sampler.ts";

const sampler = (params: SamplingInput, vocabSize: number, prompt: number[] = []) =>
  createSampler(validateSampling({ seed: 1, ...params }), prompt, new Candidates(vocabSize));

const row = Float32Array.from([1, 2, 4, 1].map(Math.log)); // p = 1/8, 1/4, 1/2, 1/8

describe("the sampler", () => {
  it("at temperature 0 takes the best token, the lowest id among equals, whatever would truncate", () => {
    const params = { temperature: 0, xtcProbability: 1, typicalP: 0.01, mirostat: 2 } as const;
    expect(sampler(params, 4).sample(row)).toBe(2);
    expect(sampler(params, 3).sample(Float32Array.of(1, 5, 5))).toBe(1);
  });

  it("at temperature 0 obeys biases, penalties and the mask", () => {
    const ban = { temperature: 0, logitBias: new Map([[2, -100]]) };
    expect(sampler(ban, 4).sample(row)).toBe(1);
    const penalised = sampler({ temperature: 0, presencePenalty: 2 }, 4);
    penalised.accept(2);
    expect(penalised.sample(row)).toBe(1);
    expect(sampler({ temperature: 0 }, 4).sample(row, Uint32Array.of(0b1001))).toBe(0);
  });

  it("leaves the row of logits as it was", () => {
    const copy = row.slice();
    sampler({ temperature: 0.5, repetitionPenalty: 2, logitBias: new Map([[0, 3]]) }, 4, [1, 2]).sample(copy);
    expect(copy).toEqual(row);
  });

  it("repeats itself with the same seed, also when samplers share scratch memory and take turns", () => {
    const workspace = new Candidates(4);
    const make = (seed: number) =>
      createSampler(validateSampling({ seed, topP: 0.9, frequencyPenalty: 0.1 }), [], workspace);
    const run = (s: ReturnType<typeof make>, other?: ReturnType<typeof make>) =>
      Array.from({ length: 200 }, () => {
        other?.sample(Float32Array.of(3, 2, 1, 0));
        const token = s.sample(row);
        s.accept(token);
        return token;
      });
    const alone = run(make(5));
    expect(run(make(5), make(6))).toEqual(alone);
    expect(run(make(6))).not.toEqual(alone);
  });

  it("picks a seed of its own when none is given", () => {
    const run = () => {
      const s = sampler({ seed: null }, 4);
      return Array.from({ length: 100 }, () => s.sample(row)).join("");
    };
    expect(run()).not.toBe(run());
  });

  it("counts prompt and answer for repetition, the answer alone for presence and frequency", () => {
    const flat = Float32Array.of(1, 1, 1);
    const best = (params: SamplingInput) => {
      const s = sampler({ temperature: 0, ...params }, 3, [0]);
      s.accept(1);
      return s.sample(flat);
    };
    expect(best({ repetitionPenalty: 2 })).toBe(2);
    expect(best({ presencePenalty: 1 })).toBe(0);
    expect(best({ frequencyPenalty: 1 })).toBe(0);
  });

  it("forgets tokens that leave the repetition window", () => {
    const s = sampler({ temperature: 0, repetitionPenalty: 2, repeatLastN: 2 }, 3, [0, 1]);
    const flat = Float32Array.of(1, 1, 1);
    expect(s.sample(flat)).toBe(2);
    s.accept(1);
    expect(s.sample(flat)).toBe(0);
    s.accept(0);
    s.accept(0);
    expect(s.sample(flat)).toBe(1);
  });

  it("never chooses a token outside the mask", () => {
    const flat = new Float32Array(70);
    const random = new Random(8n);
    for (const params of [
      {},
      { topK: 3 },
      { topP: 0.5 },
      { typicalP: 0.5 },
      { xtcProbability: 1 },
      { mirostat: 2 },
    ] as const) {
      const s = sampler({ ...params, presencePenalty: -2 }, 70);
      for (let i = 0; i < 50; i++) {
        const allowed = Uint32Array.of(random.uint32(), random.uint32(), random.uint32() | 1);
        const token = s.sample(flat, allowed);
        s.accept(token);
        expect((allowed[token >> 5]! >>> (token & 31)) & 1).toBe(1);
      }
    }
  });

  it.each<[string, SamplingInput]>([
    ["greedy", { temperature: 0 }],
    ["plain", {}],
    ["top-k", { topK: 2 }],
    ["top-p", { topP: 0.5 }],
    ["min-p", { minP: 0.5 }],
    ["typical", { typicalP: 0.5 }],
    ["XTC", { xtcProbability: 1 }],
    ["mirostat", { mirostat: 2 }],
    ["hot", { temperature: 2 }],
  ])("refuses NaN and rows without a possible token: %s", (_, params) => {
    const s = sampler(params, 3);
    const badLogits = expect.objectContaining({ code: "bad_logits" });
    expect(() => s.sample(Float32Array.of(0, Number.NaN, 0))).toThrow(badLogits);
    expect(() => s.sample(new Float32Array(3).fill(-Infinity))).toThrow(badLogits);
    expect(() => s.sample(new Float32Array(3), Uint32Array.of(0))).toThrow(badLogits);
    expect(() => s.sample(new Float32Array(4))).toThrow(badLogits);
    expect(s.sample(Float32Array.of(-Infinity, 0, -Infinity))).toBe(1);
  });

  it("refuses a bias for a token that the model does not have", () => {
    expect(() => sampler({ logitBias: new Map([[4, 1]]) }, 4)).toThrow(ConfigError);
  });

  it("works through a real vocabulary with every sampler on", () => {
    const size = 129_280;
    const random = new Random(2n);
    const logits = Float32Array.from({ length: size }, () => 20 * random.uniform() ** 4);
    const s = sampler(
      { temperature: 0.8, topK: 1000, topP: 0.9, minP: 0.01, typicalP: 0.9, xtcProbability: 0.5 },
      size,
    );
    for (let i = 0; i < 5; i++) expect(logits[s.sample(logits)]).toBeGreaterThan(15);
  });
});
