import type { Spread } from "../peers/statistics.d.mts";
import type { Server } from "./servers.d.mts";

export interface Work {
  readonly streams: number;
  readonly places: number;
  readonly prompt: number;
  readonly generate: number;
  readonly rounds: number;
  readonly repeat: number;
  readonly threads: number;
}
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}
export interface Entry {
  readonly engine: string;
  readonly how: string;
  readonly tokensPerSecond: Spread;
  readonly firstTokenMs: Percentiles;
  readonly betweenMs: Percentiles;
  readonly facts: object;
}
export interface Against {
  readonly engine: string;
  readonly how: string;
  readonly ratio: number;
}
export function measureStreams(
  servers: readonly Server[],
  file: string,
  work: Work,
  say: (text: string) => void,
): Promise<Work & { readonly entries: readonly Entry[]; readonly against: Against }>;
export function againstBest(entries: readonly Pick<Entry, "engine" | "how" | "tokensPerSecond">[]): Against;
