import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Candidates } from "./candidates.ts";
import { expOfNonPositive } from "./exp.ts";
import { type SamplingInput, validateSampling } from "./params.ts";
import { Random } from "./random.ts";
import { createSampler } from "./sampler.ts";

interface Asked {
  readonly temperature: number;
  readonly topP: number;
  readonly minP: number;
}

/** The definition, by sorting everything: the tokens that are kept, ascending, with their weights. */
function kept(row: ArrayLike<number>, allowed: Uint32Array | undefined, { temperature, topP, minP }: Asked) {
  const tokens = Array.from(row, (_, token) => token).filter(
    (token) => allowed === undefined || (allowed[token >> 5]! >>> (token & 31)) & 1,
  );
  const max = Math.max(...tokens.map((token) => row[token]!));
  const keyOf = (token: number) => (temperature === 1 ? row[token]! : (row[token]! - max) / temperature);
  const top = temperature === 1 ? max : 0;
  const weightOf = (token: number) => expOfNonPositive(keyOf(token) - top);
  const total = tokens.reduce((sum, token) => sum + weightOf(token), 0);
  const sorted = tokens.toSorted((a, b) => keyOf(b) - keyOf(a) || a - b);
  const nucleus: number[] = [];
  for (let i = 0, mass = 0; i < sorted.length && mass < topP * total; i++) {
    nucleus.push(sorted[i]!);
    mass += weightOf(sorted[i]!);
  }
  const likely = nucleus.filter((token) => minP === 0 || keyOf(token) >= top + Math.log(minP));
  return likely.sort((a, b) => a - b).map((token) => ({ token, weight: weightOf(token) }));
}

function drawn(entries: readonly { token: number; weight: number }[], u: number): number {
  const total = entries.reduce((sum, { weight }) => sum + weight, 0);
  let cumulated = 0;
  for (const { token, weight } of entries) {
    cumulated += weight;
    if (u * total < cumulated) return token;
  }
  return entries.at(-1)!.token;
}

const SIZE = 3000;
const random = new Random(8n);
const gauss = () => Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
const rowOf = (logit: (token: number) => number) => Float32Array.from({ length: SIZE }, (_, token) => logit(token));

const ROWS: Readonly<Record<string, Float32Array>> = {
  "a nearly uniform row": rowOf(() => 0.1 * gauss()),
  "a uniform row": rowOf(() => 1.5),
  "a row of few values": rowOf(() => Math.round(2 * gauss())),
  "a bell": rowOf(() => 3 * gauss()),
  "a peak": rowOf((token) => gauss() + (token === 77 ? 15 : 0)),
  "logits far apart": rowOf((token) => gauss() * (token % 3 === 0 ? 1000 : 1)),
  "tiny differences from a large value": rowOf((token) => (token === 5 ? 20 : gauss() * 1e-18)),
  "excluded tokens": rowOf((token) => (token % 2 === 0 ? -Infinity : gauss())),
};
const SMALL = Float32Array.of(1, 3, 2, 3);

const even = new Uint32Array(Math.ceil(SIZE / 32)).fill(0x5555_5555);
/** From 0 to below 1; fc.double would give mostly tiny numbers. */
const fraction = fc.nat(2 ** 30 - 1).map((n) => n / 2 ** 30);
const asked = fc.record({
  temperature: fc.constantFrom(1, 1, 0.6, 1.7, 0.01, 50),
  topP: fc.oneof(
    fc.constantFrom(1, 0.95, 0.5, 1e-6),
    fraction.map((p) => 1 - p),
  ),
  minP: fc.oneof(fc.constantFrom(0, 0, 0.05), fraction),
});

describe("the quick choice", () => {
  it.each(Object.entries({ ...ROWS, "a small row": SMALL }))("is the one that sorting makes: %s", (name, row) => {
    const candidates = new Candidates(row.length);
    let close = 0;
    let runs = 0;
    fc.assert(
      fc.property(asked, fraction, fc.boolean(), (want, u, half) => {
        const allowed = half && name !== "excluded tokens" ? even : undefined;
        const entries = kept(row, allowed, want);
        runs++;
        candidates.load(row, allowed);
        const token = candidates.quickDraw(null, want, u);
        if (token < 0) close++;
        else expect(token).toBe(drawn(entries, u));
        if (allowed === undefined) expect(candidates.quickDraw(row, want, u)).toBe(token);
        if (row.length === SIZE) expect(candidates.ids.every((id, i) => id === i)).toBe(true);
      }),
      { numRuns: 150, seed: 3 },
    );
    // Equal tokens share out a round number: the cut is often between two of them.
    expect(close).toBeLessThan(/uniform row|small|few/.test(name) ? runs : runs / 5);
  });

  it("is left to the others where the draw is at the border of two tokens, or the cut at that of what is kept", () => {
    const candidates = new Candidates(4);
    const row = Float32Array.of(0, 0, 0, 0);
    const draw = (u: number, topP: number) => candidates.quickDraw(row, { temperature: 1, topP, minP: 0.001 }, u);
    expect([0.1, 0.3, 0.6, 0.9].map((u) => draw(u, 1))).toEqual([0, 1, 2, 3]);
    expect([0, 0.25, 0.5 + 1e-12, 0.75 - 1e-12].map((u) => draw(u, 1))).toEqual([-1, -1, -1, -1]);
    expect([0.1, 0.3, 0.6, 0.9].map((u) => draw(u, 0.7))).toEqual([0, 0, 1, 2]);
    expect([0.5, 0.5 + 1e-12, 0.5 - 1e-12, 0.75].map((topP) => draw(0.1, topP))).toEqual([-1, -1, -1, -1]);
  });

  it("is none for a row that is broken", () => {
    const candidates = new Candidates(3);
    const draw = (...row: number[]) =>
      candidates.quickDraw(Float32Array.from(row), { temperature: 1, topP: 0.9, minP: 0 }, 0.5);
    expect(draw(0, Number.NaN, 1)).toBe(-1);
    expect(draw(0, Infinity, 1)).toBe(-1);
    expect(draw(-Infinity, -Infinity, -Infinity)).toBe(-1);
  });
});

describe("a sampler that makes it", () => {
  // A typical_p so near to 1 that it keeps all goes the long way.
  const LONG = { typicalP: 1 - 2 ** -53 };
  const make = (input: SamplingInput, row: Float32Array) =>
    createSampler(validateSampling({ seed: 9, ...input }), [1, 2, 3], new Candidates(row.length));

  it.each<[string, SamplingInput]>([
    ["top-p", { topP: 0.95 }],
    ["min-p", { minP: 0.05 }],
    ["both at a temperature", { topP: 0.9, minP: 0.01, temperature: 0.7 }],
    ["penalties", { topP: 0.9, repetitionPenalty: 1.2, presencePenalty: 0.4, logitBias: new Map([[7, 3]]) }],
  ])("says what it would say without it: %s", (_, input) => {
    for (const row of Object.values(ROWS)) {
      const [quick, long] = [make(input, row), make({ ...input, ...LONG }, row)];
      for (let i = 0; i < 100; i++) {
        const mask = i % 3 === 0 ? even : undefined;
        if (mask && !row.some((logit, token) => token % 2 === 0 && logit > -Infinity)) continue;
        const token = quick.sample(row, mask);
        expect(token).toBe(long.sample(row, mask));
        for (const sampler of [quick, long]) sampler.accept(token);
      }
    }
  });
});
