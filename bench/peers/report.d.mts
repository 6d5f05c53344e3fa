export interface StoredRun {
  readonly file: string;
  readonly record: object;
}
export function storedRuns(): StoredRun[];
export function benchmarkSections(runs: readonly StoredRun[]): Readonly<Record<string, string>>;
