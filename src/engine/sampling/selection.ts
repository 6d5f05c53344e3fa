/** A point in the order of keys, largest first: everything above `threshold`, then `ties` of weight at the threshold. */
export interface Cut {
  readonly threshold: number;
  readonly ties: number;
}

const BUCKETS = 1024;

/** Keys are logarithms of probabilities, give or take a constant: nothing this far below the best is worth a bucket. */
const MAX_RANGE = 64;

/**
 * Finds where weights, summed in the order of descending keys, first reach a mass: linear on average, without a sort.
 * Among many, a histogram over the keys finds the bucket that holds the cut; a quickselect looks at that bucket alone.
 */
export class MassSelector {
  private readonly bucketMass = new Float64Array(BUCKETS);
  private readonly keys: Float64Array;
  private readonly weights: Float64Array;

  /** @param capacity the most entries that `cut` will see */
  constructor(capacity: number) {
    this.keys = new Float64Array(capacity);
    this.weights = new Float64Array(capacity);
  }

  /**
   * @param keys    [count] f64 without NaN or +Infinity
   * @param weights [count] f64, none negative
   * @param mass    above 0; when all weights together are less (by rounding), the cut keeps everything
   */
  cut(keys: Float64Array, weights: Float64Array, count: number, mass: number): Cut {
    if (count <= BUCKETS) {
      this.keys.set(keys.subarray(0, count));
      this.weights.set(weights.subarray(0, count));
      return quickselect(this.keys, this.weights, count, mass);
    }
    const { bucketMass } = this;
    let max = -Infinity;
    let min = Infinity;
    for (let i = 0; i < count; i++) {
      const key = keys[i]!;
      if (key > max) max = key;
      if (key < min) min = key;
    }
    const scale = BUCKETS / Math.min(max - min, MAX_RANGE);
    bucketMass.fill(0);
    for (let i = 0; i < count; i++) bucketMass[bucketOf(keys[i]!, max, scale)]! += weights[i]!;

    let bucket = 0;
    let before = 0;
    while (bucket < BUCKETS - 1 && before + bucketMass[bucket]! < mass) before += bucketMass[bucket++]!;

    let inside = 0;
    for (let i = 0; i < count; i++) {
      if (bucketOf(keys[i]!, max, scale) !== bucket) continue;
      this.keys[inside] = keys[i]!;
      this.weights[inside] = weights[i]!;
      inside++;
    }
    return quickselect(this.keys, this.weights, inside, mass - before);
  }
}

/** Bucket 0 holds the largest keys. Equal keys give 0 * Infinity = NaN, which also lands in bucket 0. */
function bucketOf(key: number, max: number, scale: number): number {
  return Math.min((max - key) * scale, BUCKETS - 1) | 0;
}

/** `MassSelector.cut` for any keys; permutes both arrays. */
export function quickselect(keys: Float64Array, weights: Float64Array, count: number, mass: number): Cut {
  let low = 0;
  let high = count;
  let before = 0; // weight left of `low`
  let pivot = -Infinity;
  while (low < high) {
    pivot = median(keys[low]!, keys[(low + high) >> 1]!, keys[high - 1]!);
    // Three-way partition of [low, high): above the pivot | equal | below.
    let equal = low;
    let below = high;
    let massAbove = 0;
    let massEqual = 0;
    for (let i = low; i < below; ) {
      const key = keys[i]!;
      if (key > pivot) {
        massAbove += weights[i]!;
        swap(keys, weights, i++, equal++);
      } else if (key < pivot) {
        swap(keys, weights, i, --below);
      } else {
        massEqual += weights[i++]!;
      }
    }
    if (before + massAbove >= mass) high = equal;
    else if (before + massAbove + massEqual >= mass) return { threshold: pivot, ties: mass - before - massAbove };
    else {
      before += massAbove + massEqual;
      low = below;
    }
  }
  // The weights fell short of the mass by rounding: the last pivot is the smallest key that counts.
  return { threshold: pivot, ties: Infinity };
}

function swap(keys: Float64Array, weights: Float64Array, a: number, b: number): void {
  const key = keys[a]!;
  keys[a] = keys[b]!;
  keys[b] = key;
  const weight = weights[a]!;
  weights[a] = weights[b]!;
  weights[b] = weight;
}

function median(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
