/** @param {readonly number[]} values at least one */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * The value that a share of all values does not exceed (nearest rank).
 * @param {readonly number[]} values at least one
 * @param {number} share above 0, at most 1
 */
export function percentile(values, share) {
  return [...values].sort((a, b) => a - b)[Math.ceil(share * values.length) - 1];
}

/** Median, least, most, and every value in order. */
export function spread(runs) {
  return { median: median(runs), min: Math.min(...runs), max: Math.max(...runs), runs };
}

/**
 * The mean with a 95 % interval: percentiles of the means of samples drawn with replacement. The same for the same values.
 * Source: Efron, Bootstrap Methods: Another Look at the Jackknife (1979).
 * @param {readonly number[]} values
 */
export function bootstrapMean(values, { samples = 4000, seed = 1 } = {}) {
  const mean = (numbers) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
  const random = uniform(seed);
  const means = Array.from({ length: samples }, () =>
    mean(values.map(() => values[Math.floor(random() * values.length)])),
  ).sort((a, b) => a - b);
  const at = (share) => means[Math.round(share * (samples - 1))];
  return { mean: mean(values), low: at(0.025), high: at(0.975) };
}

/** Numbers in [0, 1), the same for the same seed. Source: mulberry32, Tommy Ettinger (public domain). */
export function uniform(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
