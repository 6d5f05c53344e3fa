export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: readonly number[];
}
export function median(values: readonly number[]): number;
export function percentile(values: readonly number[], share: number): number;
export function uniform(seed: number): () => number;
export function spread(runs: readonly number[]): Spread;
export function bootstrapMean(
  values: readonly number[],
  options?: { samples?: number; seed?: number },
): { readonly mean: number; readonly low: number; readonly high: number };
