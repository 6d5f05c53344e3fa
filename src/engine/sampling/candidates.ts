import { DeepTsError } from "../../errors.ts";
import { expOfNonPositive } from "./exp.ts";
import { LargestFinder } from "./largest.ts";
import { type DrawOptions, QuickDraw } from "./quick-draw.ts";
import { MassSelector } from "./selection.ts";

/** The most that `loadLargest` and `keepLargest` keep. */
export const MAX_LARGEST = 1024;

/**
 * The tokens that may still come next, with their logits, in ascending order of id: samplers first change logits, then
 * remove tokens, and never reorder. After `load` and until the first removal, entry i is token i.
 *
 * It is scratch memory (54 bytes a token of the vocabulary), loaded anew for every step: one instance serves all
 * sequences of an engine, and nothing proportional to the vocabulary is allocated per token.
 */
export class Candidates {
  readonly vocabSize: number;
  /** Live entries; the arrays are meaningful below it. */
  count = 0;
  readonly ids: Int32Array;
  readonly logits: Float64Array;
  /** Set by `softmax`; after a removal they no longer add up to 1 until it is called again. */
  readonly probs: Float64Array;
  /** ln of the sum of exp(logits), set by `softmax`: the surprise -ln p of entry i is logSum - logits[i]. */
  logSum = 0;
  /** For a sampler that orders tokens by something other than their logits. */
  readonly keys: Float64Array;
  private readonly selector: MassSelector;
  private readonly largest = new LargestFinder(MAX_LARGEST);
  private readonly quick: QuickDraw;
  private hasProbs = false;

  constructor(vocabSize: number) {
    this.vocabSize = vocabSize;
    this.ids = new Int32Array(vocabSize);
    this.logits = new Float64Array(vocabSize);
    this.probs = new Float64Array(vocabSize);
    this.keys = new Float64Array(vocabSize);
    this.selector = new MassSelector(vocabSize);
    this.quick = new QuickDraw(vocabSize, { weights: this.probs, keys: this.keys, selector: this.selector });
  }

  /**
   * Takes a row of the model's output.
   * @param logits  [vocabSize] f32
   * @param allowed bitmask, token t is bit t & 31 of word t >> 5; the logits of all others become -Infinity
   * @throws DeepTsError `bad_logits` on a wrong length, NaN or +Infinity
   */
  load(logits: Float32Array, allowed?: Uint32Array): void {
    const size = this.vocabSize;
    this.checkSizes(logits, allowed);
    for (let i = 0; i < size; i++) {
      const logit = logits[i]!;
      if (!(logit < Infinity)) throw brokenLogit(i, logit);
      this.ids[i] = i;
      this.logits[i] = logit;
    }
    if (allowed) {
      for (let i = 0; i < size; i++) if (!allows(allowed, i)) this.logits[i] = -Infinity;
    }
    this.count = size;
    this.hasProbs = false;
  }

  /**
   * What `load` and `keepLargest` give together, of a row to which nothing is done in between, in a fraction of the time;
   * tokens that are not allowed are left out.
   * @param k from 1 to MAX_LARGEST
   * @throws DeepTsError as `load`
   */
  loadLargest(logits: Float32Array, k: number, allowed?: Uint32Array): void {
    this.checkSizes(logits, allowed);
    this.count = this.largest.find(logits, this.vocabSize, k, (i) => {
      const logit = logits[i]!;
      if (!(logit < Infinity)) throw brokenLogit(i, logit);
      return !allowed || allows(allowed, i);
    });
    for (let j = 0; j < this.count; j++) {
      const i = this.largest.indices[j]!;
      this.ids[j] = i;
      this.logits[j] = logits[i]!;
    }
    this.hasProbs = false;
  }

  /**
   * The token that a draw at `u` leads to behind temperature, top-p and min-p, in a fraction of the time that these take; -1
   * where only they can tell. `probs` and `keys` are lost.
   * @param row [vocabSize] f32, of which every token may come; null: what is loaded, all tokens in order
   * @throws DeepTsError for a wrong length
   */
  quickDraw(row: Float32Array | null, options: DrawOptions, u: number): number {
    if (row !== null) this.checkSizes(row, undefined);
    return this.quick.choose(row ?? this.logits, options, u);
  }

  private checkSizes(logits: Float32Array, allowed: Uint32Array | undefined): void {
    const size = this.vocabSize;
    if (logits.length !== size) throw badLogits(`want ${size} values, got ${logits.length}`);
    if (allowed && allowed.length < Math.ceil(size / 32)) {
      throw badLogits(`the mask of allowed tokens has ${allowed.length} words, want ${Math.ceil(size / 32)}`);
    }
  }

  /** Index of the largest logit, the lowest id among equals. @throws DeepTsError when no token is possible */
  best(): number {
    let best = -1;
    let max = -Infinity;
    for (let i = 0; i < this.count; i++) {
      const logit = this.logits[i]!;
      if (logit > max) {
        max = logit;
        best = i;
      }
    }
    if (best < 0) throw badLogits("no token is possible: every logit is -Infinity (after mask, biases and penalties)");
    return best;
  }

  /**
   * Sets `probs` and `logSum` to those of the entries that are left. Exponentials are computed on the first call after
   * `load` only, so logits must not change after it.
   */
  softmax(): void {
    const { logits, probs, count } = this;
    if (!this.hasProbs) {
      const max = logits[this.best()]!;
      for (let i = 0; i < count; i++) probs[i] = expOfNonPositive(logits[i]! - max);
      this.logSum = max;
      this.hasProbs = true;
    }
    let sum = 0;
    for (let i = 0; i < count; i++) sum += probs[i]!;
    const scale = 1 / sum;
    for (let i = 0; i < count; i++) probs[i]! *= scale;
    this.logSum += Math.log(sum);
  }

  /** Removes the entries that `keep` refuses; it sees each index once, in order, before anything moves to it. */
  keepWhere(keep: (index: number) => boolean): void {
    const { ids, logits, probs, count } = this;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      if (!keep(i)) continue;
      ids[kept] = ids[i]!;
      logits[kept] = logits[i]!;
      probs[kept] = probs[i]!;
      kept++;
    }
    this.count = kept;
  }

  /**
   * Keeps the entries with the largest keys until their weights reach `mass`, at least one; the lowest id among equals.
   * @param keys    [count], may be `logits` or `keys`
   * @param weights [count], none negative, e.g. `probs`
   */
  keepMass(keys: Float64Array, weights: Float64Array, mass: number): void {
    const { threshold, ties } = this.selector.cut(keys, weights, this.count, Math.max(mass, Number.MIN_VALUE));
    let left = ties;
    this.keepWhere((i) => {
      const key = keys[i]!;
      if (key !== threshold) return key > threshold;
      const keep = left > 0;
      left -= weights[i]!;
      return keep;
    });
  }

  /** Keeps the entries with the k largest logits, the lowest ids among equals. @param k from 1 to MAX_LARGEST */
  keepLargest(k: number): void {
    const { ids, logits, probs, largest } = this;
    this.count = largest.find(logits, this.count, k);
    for (let j = 0; j < this.count; j++) {
      const i = largest.indices[j]!;
      ids[j] = ids[i]!;
      logits[j] = logits[i]!;
      probs[j] = probs[i]!;
    }
  }

  /** Index of the entry at `u` in [0, 1) of the cumulated `probs`. */
  at(u: number): number {
    let last = 0;
    let cumulated = 0;
    for (let i = 0; i < this.count; i++) {
      const p = this.probs[i]!;
      if (p === 0) continue;
      cumulated += p;
      if (u < cumulated) return i;
      last = i; // rounding may leave the whole sum just below u
    }
    return last;
  }
}

function allows(allowed: Uint32Array, token: number): boolean {
  return ((allowed[token >> 5]! >>> (token & 31)) & 1) === 1;
}

function brokenLogit(token: number, logit: number): DeepTsError {
  return badLogits(`token ${token} has ${logit}: the weights or the computation are broken`);
}

function badLogits(message: string): DeepTsError {
  return new DeepTsError("bad_logits", `logits: ${message}`);
}
