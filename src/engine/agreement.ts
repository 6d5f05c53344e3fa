/** How far logits are from exact ones. */
export interface Agreement {
  readonly rows: number;
  /** Mean over the rows of KL(exact || got), in nats. */
  readonly meanKl: number;
  readonly maxKl: number;
  /** Rows whose likeliest token is the same. */
  readonly sameArgmax: number;
}

/** @param exact and @param got logits, [rows, width] */
export function agreement(exact: ArrayLike<number>, got: ArrayLike<number>, width: number): Agreement {
  const kl = divergences(exact, got, width);
  const sameArgmax = kl.filter((_, row) => argmax(exact, row * width, width) === argmax(got, row * width, width));
  return {
    rows: kl.length,
    meanKl: kl.reduce((sum, x) => sum + x, 0) / kl.length,
    maxKl: kl.reduce((most, x) => Math.max(most, x), 0),
    sameArgmax: sameArgmax.length,
  };
}

/**
 * KL(exact || got) of each row, in nats.
 * @param exact and @param got logits (log-probabilities are some too), [rows, width]
 */
export function divergences(exact: ArrayLike<number>, got: ArrayLike<number>, width: number): number[] {
  return Array.from({ length: exact.length / width }, (_, row) => {
    const p = logSoftmax(exact, row * width, width);
    const q = logSoftmax(got, row * width, width);
    let kl = 0;
    for (let i = 0; i < width; i++) kl += Math.exp(p[i]!) * (p[i]! - q[i]!);
    return kl;
  });
}

function logSoftmax(logits: ArrayLike<number>, from: number, width: number): Float64Array {
  let largest = -Infinity;
  for (let i = 0; i < width; i++) largest = Math.max(largest, logits[from + i]!);
  let sum = 0;
  for (let i = 0; i < width; i++) sum += Math.exp(logits[from + i]! - largest);
  const shift = largest + Math.log(sum);
  return Float64Array.from({ length: width }, (_, i) => logits[from + i]! - shift);
}

function argmax(values: ArrayLike<number>, from: number, width: number): number {
  let best = from;
  for (let i = from + 1; i < from + width; i++) if (values[i]! > values[best]!) best = i;
  return best - from;
}
