import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it, onTestFinished, type TestContext } from "vitest";
import { buildKernelProgram } from "../../scripts/kernel-programs.mjs";
import { skipMissing } from "../skip.ts";
import { writeRuns } from "./recorded-run.ts";

const compiler = process.env.CXX ?? "g++";

/** Builds one of kernels/cpu/test/, runs it on what `prepare` makes, and expects it to end well. */
async function runProgram(
  t: TestContext,
  name: "pool" | "executor",
  prepare: (folder: string) => Promise<string[]>,
): Promise<void> {
  if (spawnSync(compiler, ["--version"]).status !== 0) skipMissing(t, `a C++ compiler (${compiler})`);
  const folder = mkdtempSync(path.join(tmpdir(), "deepts-kernels-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const program = path.join(folder, name);
  await buildKernelProgram(name, program, compiler, ["-O1"]);
  const ran = spawnSync(program, await prepare(folder), { encoding: "utf8" });
  expect(ran.status, ran.stderr).toBe(0);
}

it("the pool does every item of every op once, in order, and ends when aborted", async (t) => {
  await runProgram(t, "pool", async () => []);
}, 300_000);

it("a step allocates nothing, and gives the same bits on any number of threads", async (t) => {
  await runProgram(t, "executor", writeRuns);
}, 300_000);
