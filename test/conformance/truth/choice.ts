import { EPSILON } from "../expect-close.ts";

/** Two numbers that differ by less than this, relative to their scale, may come out in either order in f32. */
const CLEAR_MARGIN = 32 * EPSILON;

/**
 * The `count` largest of the candidates, ties by the lower index, in ascending order of index.
 * Refuses data whose choice hangs on rounding: a case must be an exact tie or clear.
 * @param scales magnitudes of the terms of each candidate
 */
export function largest(values: readonly number[], scales: readonly number[], count: number): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b);
  const [last, first] = [order[count - 1]!, order[count]];
  if (first !== undefined) {
    const gap = values[last]! - values[first]!;
    if (gap > 0 && gap < CLEAR_MARGIN * Math.max(scales[last]!, scales[first]!)) {
      throw new Error(`the choice of the best ${count} hangs on a margin of ${gap}: take another seed`);
    }
  }
  return order.slice(0, count).sort((a, b) => a - b);
}
