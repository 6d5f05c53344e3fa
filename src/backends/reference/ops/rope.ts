import type { RopePairs } from "../../../tensor/program.ts";

/**
 * Rotates every head of every row by the row's position (arXiv:2104.09864).
 * @param x           [T, heads, 2 * frequencies.length]
 * @param frequencies radians per position, one per pair
 */
export function rope(
  x: Float32Array,
  positions: Int32Array,
  pairs: RopePairs,
  frequencies: readonly number[],
  magnitude: number,
  out: Float32Array,
): void {
  const half = frequencies.length;
  const width = x.length / positions.length;
  const [firstStep, secondOffset] = pairs === "adjacent" ? [2, 1] : [1, half];
  for (let t = 0; t < positions.length; t++) {
    for (let j = 0; j < half; j++) {
      const angle = positions[t]! * frequencies[j]!;
      const cos = Math.cos(angle) * magnitude;
      const sin = Math.sin(angle) * magnitude;
      for (let head = t * width; head < (t + 1) * width; head += 2 * half) {
        const first = head + j * firstStep;
        const second = first + secondOffset;
        const a = x[first]!;
        const b = x[second]!;
        out[first] = a * cos - b * sin;
        out[second] = a * sin + b * cos;
      }
    }
  }
}
