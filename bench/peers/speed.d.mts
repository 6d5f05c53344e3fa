import type { Spread } from "./statistics.d.mts";

export interface Measured {
  readonly prompt: readonly number[];
  readonly generate: readonly number[];
  readonly facts: object;
  readonly observed?: object;
}
export interface Engine {
  readonly name: string;
  readonly how: string;
  measure(file: string, work: Work): Promise<Measured>;
}
export interface Work {
  readonly prompt: number;
  readonly generate: number;
  readonly depth: number;
  readonly repeat: number;
  readonly threads: number;
}
export interface Entry {
  readonly engine: string;
  readonly how: string;
  readonly prompt: Spread;
  readonly generate: Spread;
}
export interface Against {
  readonly how: string;
  readonly median: number;
  readonly ratio: number;
}
export interface Ratio {
  readonly engine: string;
  readonly prompt: Against;
  readonly generate: Against;
}
export function order<T>(engines: readonly T[], round: number): readonly T[];
export function measureSpeed(
  engines: readonly Engine[],
  file: string,
  work: Work & { readonly rounds: number },
  say: (text: string) => void,
): Promise<{ readonly entries: readonly Entry[]; readonly ratios: readonly Ratio[] }>;
export interface DepthsWork extends Omit<Work, "depth"> {
  readonly depths: readonly number[];
}
export function measureDepths(
  engines: readonly (Engine & { measureDepths(file: string, work: DepthsWork): Promise<readonly Measured[]> })[],
  file: string,
  work: DepthsWork & { readonly rounds: number },
  say: (text: string) => void,
): Promise<
  readonly {
    readonly depth: number;
    readonly rounds: number;
    readonly runsPerRound: number;
    readonly entries: readonly Entry[];
  }[]
>;
export function ratiosOf(entries: readonly Entry[]): Ratio[];
