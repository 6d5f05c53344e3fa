import { expOfNonPositive } from "./exp.ts";
import type { MassSelector } from "./selection.ts";

/** Of logits below the largest: buckets of 1/64, the last one for all that is further away. */
const BUCKETS_A_LOGIT = 64;
const BUCKETS = 4096;
const LAST = BUCKETS - 1;

/** Far above what the order of a sum can change of it: n numbers add up to within n * 2^-53 of their sum, 2e-11 for 2^17. */
const MARGIN = 1e-9;

export interface DrawOptions {
  /** Above 0. */
  readonly temperature: number;
  /** As of topP(); 1 is off. */
  readonly topP: number;
  /** As of minP(); 0 is off. */
  readonly minP: number;
}

/** Memory of the vocabulary's size, which may be used for other things in between. */
export interface DrawScratch {
  readonly weights: Float64Array;
  readonly keys: Float64Array;
  readonly selector: MassSelector;
}

/** What is kept: logits above the least one, and the first `equal` of those that are equal to it. */
interface Kept {
  readonly least: number;
  readonly equal: number;
}

const EVERYTHING: Kept = { least: -Infinity, equal: Infinity };

type Row = Float32Array | Float64Array;

/**
 * Chooses what temperature, top-p, min-p and a draw choose one after the other, in less than half the time: one pass over the
 * row makes the exponentials and a histogram of them, in which the cut is found, and no token is moved. Its sums are rounded
 * otherwise than theirs: where that could make a difference, once in thousands of tokens, it leaves the choice to them.
 */
export class QuickDraw {
  private readonly scratch: DrawScratch;
  private readonly bucketMass = new Float64Array(BUCKETS);
  /** By token. */
  private readonly buckets: Uint16Array;
  private readonly insideWeights: Float64Array;

  constructor(vocabSize: number, scratch: DrawScratch) {
    this.scratch = scratch;
    this.buckets = new Uint16Array(vocabSize);
    this.insideWeights = new Float64Array(vocabSize);
  }

  /**
   * @param row [vocabSize]; not modified
   * @param u   from 0 to below 1
   * @returns the token; -1 where it is too close, or the row is broken
   */
  choose(row: Row, { temperature, topP, minP }: DrawOptions, u: number): number {
    const max = largest(row);
    if (!Number.isFinite(max)) return -1;
    // NaN among them makes the sums NaN, of which nothing is clear.
    const total = this.weigh(row, max, temperature);
    const margin = MARGIN * total;
    const scaled = (token: number) => (temperature === 1 ? row[token]! : (row[token]! - max) / temperature);
    const nucleus = topP < 1 ? this.cut(scaled, topP * total, margin) : EVERYTHING;
    if (nucleus === null) return -1;
    const top = temperature === 1 ? max : 0;
    const floor = minP === 0 ? -Infinity : top + Math.log(minP);
    const { least, equal } = floor > nucleus.least ? { least: floor, equal: Infinity } : nucleus;
    return this.draw(scaled, least === -Infinity ? LAST : bucketOf(least - top), { least, equal }, margin, u);
  }

  /** Sets the tokens' weights, exponentials of their logits, and buckets. @returns the sum of all */
  private weigh(row: Row, max: number, temperature: number): number {
    const { bucketMass, buckets } = this;
    const { weights } = this.scratch;
    bucketMass.fill(0);
    for (let token = 0; token < row.length; token++) {
      const below = (row[token]! - max) / temperature;
      const weight = expOfNonPositive(below);
      const bucket = weight === 0 ? LAST : bucketOf(below);
      buckets[token] = bucket;
      bucketMass[bucket]! += weight;
      weights[token] = weight;
    }
    return bucketMass.reduce((sum, mass) => sum + mass);
  }

  /** The largest logits that together have this mass; null where it is too close. */
  private cut(scaled: (token: number) => number, mass: number, margin: number): Kept | null {
    const { bucketMass, buckets, insideWeights } = this;
    const { keys, selector, weights } = this.scratch;
    let bucket = 0;
    let before = 0;
    while (bucket < LAST && before + bucketMass[bucket]! < mass) before += bucketMass[bucket++]!;
    let inside = 0;
    for (let token = 0; token < buckets.length; token++) {
      if (buckets[token] !== bucket) continue;
      keys[inside] = scaled(token);
      insideWeights[inside++] = weights[token]!;
    }
    const { threshold, ties } = selector.cut(keys, insideWeights, inside, mass - before);
    const weight = insideWeights[keys.indexOf(threshold)]!;
    const equal = Math.ceil(ties / weight);
    const clear = equal * weight - ties > margin && ties - (equal - 1) * weight > margin;
    return clear ? { least: threshold, equal } : null;
  }

  /** The token at `u` of what is kept, of which the least logits are in bucket `last`; -1 where it is too close. */
  private draw(scaled: (token: number) => number, last: number, kept: Kept, margin: number, u: number): number {
    const { bucketMass, buckets } = this;
    const { weights } = this.scratch;
    let left = kept.equal;
    const keeps = (token: number) => {
      const key = scaled(token);
      return key > kept.least || (key === kept.least && left-- > 0);
    };
    let sum = 0;
    for (let bucket = 0; bucket < last; bucket++) sum += bucketMass[bucket]!;
    for (let token = 0; token < buckets.length; token++) {
      if (buckets[token] === last && keeps(token)) sum += weights[token]!;
    }
    const wanted = u * sum;
    left = kept.equal;
    let cumulated = 0;
    for (let token = 0; token < buckets.length; token++) {
      const bucket = buckets[token]!;
      if (bucket > last || (bucket === last && !keeps(token))) continue;
      const before = cumulated;
      cumulated += weights[token]!;
      if (cumulated <= wanted) continue;
      return cumulated - wanted > margin && wanted - before > margin ? token : -1;
    }
    return -1;
  }
}

function largest(row: Row): number {
  let max = -Infinity;
  for (let token = 0; token < row.length; token++) {
    const logit = row[token]!;
    if (logit > max) max = logit;
  }
  return max;
}

/** @param below a logit less the largest, where that is within int32 */
function bucketOf(below: number): number {
  return Math.min((below * -BUCKETS_A_LOGIT) | 0, LAST);
}
