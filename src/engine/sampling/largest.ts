import { quickselect } from "./selection.ts";

/** Finds the few largest of many values in one pass, and keeps nothing of them: one instance serves any number of rows. */
export class LargestFinder {
  /** Where they stand, ascending; meaningful below what `find` returned. */
  readonly indices: Int32Array;
  readonly #keys: Float64Array;
  readonly #ones: Float64Array;

  /** @param most how many may be asked for */
  constructor(most: number) {
    this.indices = new Int32Array(2 * most);
    this.#keys = new Float64Array(2 * most);
    this.#ones = new Float64Array(2 * most);
  }

  /**
   * Of equal values the first count. Takes time for `count` looks, and for few more however the values are ordered.
   * @param values  those from `count` on do not count; +Infinity and NaN are always among the largest
   * @param k       from 1 to `most`
   * @param accepts asked of each index that may be one of the largest
   * @returns how many there are: k, or all that are accepted
   */
  find(
    values: Float32Array | Float64Array,
    count: number,
    k: number,
    accepts: (index: number) => boolean = () => true,
  ): number {
    const { indices } = this;
    let found = 0;
    let least = Number.NaN; // what is not above it is none of the largest
    for (let i = 0; i < count; i++) {
      if (values[i]! <= least || !accepts(i)) continue;
      indices[found++] = i;
      if (found < 2 * k) continue;
      least = this.#keepLargest(values, found, k);
      found = k;
    }
    if (found <= k) return found;
    this.#keepLargest(values, found, k);
    return k;
  }

  /** @returns the least of them */
  #keepLargest(values: Float32Array | Float64Array, found: number, k: number): number {
    const { indices } = this;
    for (let j = 0; j < found; j++) this.#keys[j] = values[indices[j]!]!;
    const { threshold, ties } = quickselect(this.#keys, this.#ones.fill(1, 0, found), found, k);
    let equals = 0;
    let kept = 0;
    for (let j = 0; j < found; j++) {
      const value = values[indices[j]!]!;
      if (value > threshold || (value === threshold && equals++ < ties)) indices[kept++] = indices[j]!;
    }
    return threshold;
  }
}
