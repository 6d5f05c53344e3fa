import type { Rotation } from "../tensor/recorder.ts";
import type { RopeConfig, RopeScaling } from "./config.ts";

/**
 * Radians per position of each rotated pair, with the model's context extension worked in, in double precision.
 * Sources: arXiv:2104.09864 (RoPE), arXiv:2309.00071 (YaRN), Llama 3.1's reference code (llama3).
 */
export function rotation({ theta, dim, scaling }: RopeConfig): Rotation {
  const plain = Array.from({ length: dim / 2 }, (_, j) => theta ** ((-2 * j) / dim));
  if (!scaling) return { frequencies: plain, magnitude: 1 };
  switch (scaling.type) {
    case "linear":
      return { frequencies: plain.map((f) => f / scaling.factor), magnitude: 1 };
    case "factors":
      return { frequencies: plain.map((f, j) => f / scaling.factors[j]!), magnitude: 1 };
    case "llama3":
      return { frequencies: plain.map((f) => llama3Frequency(f, scaling)), magnitude: 1 };
    case "yarn":
      return { frequencies: yarnFrequencies(plain, theta, dim, scaling), magnitude: scaling.magnitude };
  }
}

/** Fast pairs stay, slow pairs are interpolated, a linear ramp lies between. */
function yarnFrequencies(
  plain: readonly number[],
  theta: number,
  dim: number,
  scaling: Extract<RopeScaling, { type: "yarn" }>,
): number[] {
  /** The pair that turns `rotations` times over the original context. */
  const pairOf = (rotations: number) =>
    (dim * Math.log(scaling.originalMaxPositionEmbeddings / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const low = Math.max(Math.floor(pairOf(scaling.betaFast)), 0);
  let high = Math.min(Math.ceil(pairOf(scaling.betaSlow)), dim - 1);
  if (high === low) high += 0.001; // as the original does, against a division by zero
  return plain.map((f, j) => {
    const interpolated = Math.min(Math.max((j - low) / (high - low), 0), 1);
    return (f / scaling.factor) * interpolated + f * (1 - interpolated);
  });
}

function llama3Frequency(f: number, scaling: Extract<RopeScaling, { type: "llama3" }>): number {
  const rotations = (scaling.originalMaxPositionEmbeddings * f) / (2 * Math.PI);
  const { lowFreqFactor: low, highFreqFactor: high } = scaling;
  if (rotations < low) return f / scaling.factor;
  if (rotations > high) return f;
  const kept = (rotations - low) / (high - low);
  return ((1 - kept) * f) / scaling.factor + kept * f;
}
