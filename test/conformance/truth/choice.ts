/** Closer than this, relative to their scale, two different numbers may come out in either order in f32. */
const CLEAR_MARGIN = 1e-4;

/**
 * The `count` largest of the candidates, ties by the lower index, in ascending order of index.
 * Refuses data whose choice hangs on rounding: a case must be an exact tie or clear.
 */
export function largest(values: readonly number[], count: number, scale: number): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b);
  if (count < order.length) {
    const gap = values[order[count - 1]!]! - values[order[count]!]!;
    if (gap > 0 && gap < CLEAR_MARGIN * scale) {
      throw new Error(`the choice of the best ${count} hangs on a margin of ${gap}: take another seed`);
    }
  }
  return order.slice(0, count).sort((a, b) => a - b);
}
