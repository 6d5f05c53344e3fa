import type { StoredRun } from "./report.d.mts";

export function numericsSections(runs: readonly StoredRun[]): Readonly<Record<string, string>>;
