import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { skipMissing } from "../skip.ts";

const compiler = process.env.CXX ?? "g++";
const kernels = fileURLToPath(new URL("../../kernels/cpu", import.meta.url));

it("the pool does every item of every op once, in order, and ends when aborted", (t) => {
  if (spawnSync(compiler, ["--version"]).status !== 0) skipMissing(t, `a C++ compiler (${compiler})`);
  const folder = mkdtempSync(path.join(tmpdir(), "deepts-pool-"));
  try {
    const program = path.join(folder, "pool-test");
    const host = path.join(kernels, "..", "bind", "napi", "host.cpp");
    const sources = [path.join(kernels, "test", "pool_test.cpp"), path.join(kernels, "pool.cpp"), host];
    const built = spawnSync(compiler, ["-std=c++20", "-O2", "-pthread", ...sources, "-o", program], {
      encoding: "utf8",
    });
    expect(built.status, built.stderr).toBe(0);
    const ran = spawnSync(program, { encoding: "utf8" });
    expect(ran.status, ran.stderr).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 300_000);
