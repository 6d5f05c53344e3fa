import { loadAddon } from "../src/backends/cpu/addon.ts";
import { nativeProblem } from "../src/backends/cpu/backend.ts";
import { missing } from "./skip.ts";

/** Why the tests of the cpu backend are skipped, or null: its addon is not built on a machine without a compiler. */
export const NO_CPU = nativeProblem() === null ? null : missing("the native addon (npm run build:native)");

/** The targets whose kernels this CPU can run, the best first. */
export function runnableTargets(): string[] {
  if (NO_CPU !== null) return [];
  return loadAddon()
    .targets()
    .filter(({ runs }) => runs)
    .map(({ name }) => name);
}
