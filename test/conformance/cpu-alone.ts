// The conformance suite of the cpu backend in a process of its own, for all targets or the one that is given: see
// scripts/check-arm64.mjs. Exit code 0: all passed.
import { startTests, type Task, type VitestRunner } from "@vitest/runner";
import { runnableTargets } from "../cpu-targets.ts";

const runner: VitestRunner = {
  config: {
    root: ".",
    setupFiles: [],
    name: undefined,
    passWithNoTests: false,
    testNamePattern: process.argv[2] === undefined ? undefined : new RegExp(`target ${process.argv[2]} `),
    allowOnly: false,
    sequence: { seed: 1, hooks: "stack", setupFiles: "list" },
    chaiConfig: undefined,
    maxConcurrency: 1,
    testTimeout: 600_000,
    hookTimeout: 600_000,
    retry: 0,
    includeTaskLocation: false,
    diffOptions: undefined,
    tags: [],
    tagsFilter: undefined,
    strictTags: false,
  },
  importFile: () => import("./cpu.test.ts"),
};

const counts = { passed: 0, failed: 0, skipped: 0 };

function count(task: Task, name: string): void {
  const here = `${name} > ${task.name}`;
  if (task.type === "suite") for (const child of task.tasks) count(child, here);
  if (task.result?.state === "fail")
    for (const { message } of task.result.errors ?? []) console.log(`${here}: ${message}`);
  if (task.type !== "test") return;
  if (task.result?.state === "pass") counts.passed += 1;
  else if (task.mode === "skip" || task.mode === "todo") counts.skipped += 1;
  else counts.failed += 1;
}

console.log(`targets: ${runnableTargets().join(", ")}`);
for (const file of await startTests(["cpu.test.ts"], runner)) {
  for (const task of file.tasks) count(task, process.arch);
  if (file.result?.state === "fail" && counts.failed === 0) counts.failed = 1;
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
