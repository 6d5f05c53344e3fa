import type { GoldenResult } from "./reporter-golden.ts";
import { isMissing } from "./skip.ts";

/** What became of one test; a failure outside tests (a file that does not load, a hook) counts as one. */
export interface Outcome {
  title: string;
  state: "passed" | "failed" | "skipped";
  /** Why it was skipped. */
  reason?: string;
  golden?: GoldenResult[];
}

export interface Summary {
  lines: string[];
  ok: boolean;
}

/**
 * The report of a run: worst golden errors, skips by reason, counts. The last line is the plain closing line that
 * build services read.
 * @param strict as in CI: a skip for want of something, or without a reason, is a failure
 */
export function summarise(outcomes: readonly Outcome[], strict: boolean): Summary {
  const skips = outcomes.filter((o) => o.state === "skipped");
  const refused = strict ? skips.filter((o) => o.reason === undefined || isMissing(o.reason)) : [];
  const passed = outcomes.filter((o) => o.state === "passed").length;
  const failed = outcomes.filter((o) => o.state === "failed").length + refused.length;
  return {
    lines: [
      ...goldenTable(outcomes.flatMap((o) => o.golden ?? [])),
      ...skipList(skips),
      ...refused.map((o) => `FAIL in CI, where nothing may be missing: ${o.title} (${o.reason ?? NO_REASON})`),
      `${passed} passed, ${failed} failed, ${skips.length - refused.length} skipped`,
    ],
    ok: failed === 0 && passed > 0,
  };
}

const NO_REASON = "no reason given";

function skipList(skips: readonly Outcome[]): string[] {
  const counts = new Map<string, number>();
  for (const { reason = NO_REASON } of skips) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const lines = [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${count}`.padStart(6) + `  ${reason}`);
  return lines.length === 0 ? [] : ["Skipped:", ...lines, ""];
}

/** One line a folder: how many arrays were compared, and the error that uses most of its tolerance. */
function goldenTable(results: readonly GoldenResult[]): string[] {
  const folders = [...new Set(results.map((r) => r.folder))].sort();
  const rows = folders.map((folder) => {
    const found = results.filter((r) => r.folder === folder);
    const worst = found.reduce((a, b) => (toleranceUsed(b) > toleranceUsed(a) ? b : a));
    const compared = found.reduce((sum, r) => sum + r.compared, 0);
    const used = `${(100 * toleranceUsed(worst)).toFixed(0)}%`;
    return [folder, `${compared}`, worst.worst.toExponential(1), worst.tolerance.toExponential(1), used, worst.what];
  });
  if (rows.length === 0) return [];
  return ["Golden values:", ...columns([["folder", "arrays", "worst error", "tolerance", "used", "in"], ...rows]), ""];
}

/** Error over tolerance; a NaN is as bad as can be, and a tolerance of 0 is met by 0 alone. */
function toleranceUsed({ worst, tolerance }: GoldenResult): number {
  if (worst === 0) return 0;
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst / tolerance;
}

function columns(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ")}`.trimEnd());
}
