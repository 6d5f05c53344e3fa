import type { TaskMeta } from "vitest";

/** How well one test met the golden values of a fixture folder. Errors are absolute differences. */
export interface GoldenResult {
  /** Fixture folder or file, one line of the table, e.g. `v3-tiny` or `gguf/v3-tiny-q8_0.gguf`. */
  folder: string;
  /** Where the error was found, e.g. `logits`. */
  what: string;
  worst: number;
  tolerance: number;
  /** Number of arrays compared. */
  compared: number;
}

declare module "vitest" {
  interface TaskMeta {
    golden?: GoldenResult[];
  }
}

/** Hands a result to the reporter, which prints the worst of each folder after the run: `reportGolden(ctx.task, {...})`. */
export function reportGolden(task: { meta: TaskMeta }, result: GoldenResult): void {
  task.meta.golden = [...(task.meta.golden ?? []), result];
}
