import { describe, expect, it } from "vitest";
import { Candidates } from "./candidates.ts";
import { type SamplingInput, validateSampling } from "./params.ts";
import { createSampler } from "./sampler.ts";

const DRAWS = 20_000;

/** Rows of logits: a peaked one, a nearly flat one, one with ties and an impossible token. */
const ROWS = {
  peaked: Float32Array.of(4, 0.5, 2.5, -1, 3.2, 1.1, -3, 0.2, 2.4, 1.9, -0.6, 3.1),
  flat: Float32Array.of(0.3, 0.1, -0.2, 0.25, 0, 0.15, -0.1, 0.05, 0.2, -0.3, 0.12, -0.05),
  tied: Float32Array.of(1, 1, 2, 2, 2, 0, -Infinity, 0, 3, 1, 1, 2),
};

const PROMPT = [0, 4, 4, 8, 11, 2, 5, 0, 4, 8, 1, 0, 4];
const ANSWER = [8, 8, 3, 0, 4];

/** The distribution that the definitions of the parameters give: sorted lists of { id, p }, in f64, all by itself. */
function exact(row: Float32Array, given: SamplingInput): number[] {
  const p = validateSampling(given);
  const history = [...PROMPT, ...ANSWER];
  const logits = [...row].map((x, id) => x + (p.logitBias.get(id) ?? 0));
  const window = p.repeatLastN < 0 ? history : history.slice(history.length - p.repeatLastN);
  for (const id of new Set(window))
    logits[id] = logits[id]! > 0 ? logits[id]! / p.repetitionPenalty : logits[id]! * p.repetitionPenalty;
  for (const id of new Set(ANSWER)) {
    logits[id]! -= p.presencePenalty + p.frequencyPenalty * ANSWER.filter((other) => other === id).length;
  }
  for (let id = 0; id < logits.length; id++) {
    const lengths = history.map((next, at) => (next === id ? commonEnd(history.slice(0, at), history) : 0));
    const length = Math.max(...lengths);
    if (length >= p.dryAllowedLength) logits[id]! -= p.dryMultiplier * p.dryBase ** (length - p.dryAllowedLength);
  }
  let left = logits.map((logit, id) => ({ id, p: Math.exp(logit / p.temperature) })).filter((t) => t.p > 0);
  const normalise = () => {
    const sum = left.reduce((total, t) => total + t.p, 0);
    left = left.map((t) => ({ ...t, p: t.p / sum })).sort((a, b) => b.p - a.p || a.id - b.id);
  };
  const reach = (mass: number) => {
    let sum = 0;
    left = left.filter((t) => {
      const before = sum;
      sum += t.p;
      return before < mass;
    });
    normalise();
  };
  normalise();
  if (p.mirostat === 2) {
    left = left.filter((t, i) => i === 0 || -Math.log2(t.p) <= 2 * p.mirostatTau);
    normalise();
  } else {
    if (p.topK > 0) left = left.slice(0, p.topK);
    normalise();
    if (p.topP < 1) reach(p.topP);
    left = left.filter((t) => t.p >= p.minP * left[0]!.p);
    normalise();
    if (p.typicalP < 1) {
      const entropy = left.reduce((sum, t) => sum - t.p * Math.log(t.p), 0);
      const distance = (t: { p: number }) => Math.abs(-Math.log(t.p) - entropy);
      left.sort((a, b) => distance(a) - distance(b) || a.id - b.id);
      reach(p.typicalP);
    }
  }
  const probabilities = new Array<number>(row.length).fill(0);
  for (const t of left) probabilities[t.id]! += t.p * (1 - p.xtcProbability);
  const likely = left.filter((t) => t.p >= p.xtcThreshold).length;
  left = left.slice(Math.max(0, likely - 1));
  normalise();
  for (const t of left) probabilities[t.id]! += t.p * p.xtcProbability;
  return probabilities;
}

function commonEnd(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a.at(-1 - length) === b.at(-1 - length)) length++;
  return length;
}

function draw(row: Float32Array, given: SamplingInput): number[] {
  const sampler = createSampler(validateSampling({ seed: 20, ...given }), PROMPT, new Candidates(row.length));
  for (const token of ANSWER) sampler.accept(token);
  const counts = new Array<number>(row.length).fill(0);
  for (let i = 0; i < DRAWS; i++) counts[sampler.sample(row)]!++;
  return counts;
}

/**
 * Whether Pearson's chi-square accepts the counts at p = 1e-4 (Wilson and Hilferty's approximation of the quantile).
 * A token that cannot come must not come; tokens expected fewer than 5 times share one cell.
 */
function fits(counts: readonly number[], probabilities: readonly number[]): boolean {
  let [rareCount, rareExpected, statistic, cells] = [0, 0, 0, 0];
  const add = (count: number, expected: number) => {
    statistic += (count - expected) ** 2 / expected;
    cells++;
  };
  for (const [id, p] of probabilities.entries()) {
    if (p === 0 && counts[id]! > 0) return false;
    if (p * DRAWS >= 5) add(counts[id]!, p * DRAWS);
    else {
      rareCount += counts[id]!;
      rareExpected += p * DRAWS;
    }
  }
  if (rareExpected > 0) add(rareCount, rareExpected);
  const freedom = cells - 1;
  if (freedom === 0) return true;
  const z = 3.719; // the normal quantile of 1 - 1e-4
  return statistic < freedom * (1 - 2 / (9 * freedom) + z * Math.sqrt(2 / (9 * freedom))) ** 3;
}

const bias = (...entries: [number, number][]) => new Map(entries);

const CASES: [string, SamplingInput][] = [
  ["nothing", {}],
  ["a low temperature", { temperature: 0.6 }],
  ["a high temperature", { temperature: 1.7 }],
  ["top-k", { topK: 4 }],
  ["top-p", { topP: 0.8 }],
  ["min-p", { minP: 0.12 }],
  ["typical", { typicalP: 0.6 }],
  ["logit bias", { logitBias: bias([3, 2.5], [0, -1.5], [8, -Infinity]) }],
  ["repetition penalty", { repetitionPenalty: 1.4 }],
  ["repetition penalty in a window", { repetitionPenalty: 1.4, repeatLastN: 4 }],
  ["a repetition reward", { repetitionPenalty: 0.7 }],
  ["presence penalty", { presencePenalty: 0.9 }],
  ["frequency penalty", { frequencyPenalty: 0.6 }],
  ["negative presence and frequency penalties", { presencePenalty: -0.4, frequencyPenalty: -0.3 }],
  ["DRY", { dryMultiplier: 0.8 }],
  ["XTC", { xtcProbability: 1, xtcThreshold: 0.1 }],
  ["XTC at times", { xtcProbability: 0.4, xtcThreshold: 0.08 }],
  ["mirostat", { mirostat: 2, mirostatTau: 1.6, mirostatEta: 1e-12 }], // mu stays at 2 tau
  ["temperature, then top-p", { temperature: 0.6, topP: 0.95 }],
  ["temperature, top-k and top-p", { temperature: 1.5, topK: 6, topP: 0.7 }],
  ["temperature and min-p", { temperature: 2, minP: 0.3 }],
  ["all penalties", { repetitionPenalty: 1.2, presencePenalty: 0.3, frequencyPenalty: 0.2, dryMultiplier: 0.5 }],
  ["every truncation", { temperature: 0.8, topK: 9, topP: 0.95, minP: 0.05, typicalP: 0.9, xtcProbability: 0.5 }],
  [
    "everything at once",
    {
      temperature: 0.9,
      topK: 8,
      topP: 0.97,
      minP: 0.02,
      typicalP: 0.95,
      xtcProbability: 0.3,
      repetitionPenalty: 1.1,
      presencePenalty: 0.2,
      frequencyPenalty: 0.1,
      dryMultiplier: 0.4,
      logitBias: bias([6, 2], [9, 1]),
    },
  ],
];

describe.each(Object.entries(ROWS))("the distribution over a %s row", (_, row) => {
  it.each(CASES)("is the exact one with %s", (_, params) => {
    expect(fits(draw(row, params), exact(row, params))).toBe(true);
  });
});

describe("the test of distributions", () => {
  it.each<[string, SamplingInput, SamplingInput]>([
    ["temperature", { temperature: 0.65 }, { temperature: 0.6 }],
    ["order of temperature and top-p", { temperature: 1.5, topP: 0.7 }, { topP: 0.7 }],
    ["top-k", { topK: 5 }, { topK: 4 }],
    ["penalty", { repetitionPenalty: 1.06 }, {}],
    ["XTC", { xtcProbability: 0.45 }, { xtcProbability: 0.4 }],
  ])("rejects a wrong %s", (_, drawn, expected) => {
    expect(fits(draw(ROWS.peaked, drawn), exact(ROWS.peaked, expected))).toBe(false);
  });
});
