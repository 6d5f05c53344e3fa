import type { Exact } from "./truth/exact.ts";

/** Distance from 1 to the next f32. */
export const EPSILON = 2 ** -23;

/** The smallest normal f32: a backend may flush what is below to zero. */
const SMALLEST_NORMAL = 2 ** -126;

/**
 * Asserts that every element is within epsilons · ε · scale of the truth (see Exact).
 * @returns the worst error, in units of ε · scale
 * @throws Error that names the worst element, how many are wrong, and both values
 */
export function expectClose(
  got: Float32Array | Int32Array | readonly number[],
  want: Exact,
  epsilons: number,
  what: string,
): number {
  if (got.length !== want.values.length) {
    throw new Error(`${what}: want ${want.values.length} elements, got ${got.length}`);
  }
  let wrong = 0;
  let worst = 0;
  let worstAt = 0;
  for (let i = 0; i < got.length; i++) {
    const error = Math.abs(got[i]! - want.values[i]!);
    const unit = EPSILON * want.scale[i]!;
    // Written so that a NaN fails: no comparison with it is true.
    if (!(error <= epsilons * unit + SMALLEST_NORMAL)) wrong++;
    const used = error <= SMALLEST_NORMAL ? 0 : Number.isNaN(error) ? Number.POSITIVE_INFINITY : error / unit;
    if (used > worst) {
      worst = used;
      worstAt = i;
    }
  }
  if (wrong > 0) {
    throw new Error(
      `${what}: ${wrong} of ${got.length} elements are wrong; the worst, ${worstAt}, is ${got[worstAt]}, ` +
        `want ${want.values[worstAt]}: off by ${worst.toPrecision(3)} ε·scale, allowed ${epsilons}`,
    );
  }
  return worst;
}
