import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { skipMissing } from "../skip.ts";

const compiler = process.env.CXX ?? "g++";
const kernels = fileURLToPath(new URL("../../kernels/cpu", import.meta.url));

it("the encoders give the same bytes on every target, and find the best row of a codebook", (t) => {
  if (spawnSync(compiler, ["--version"]).status !== 0) skipMissing(t, `a C++ compiler (${compiler})`);
  const folder = mkdtempSync(path.join(tmpdir(), "deepts-encode-"));
  try {
    const program = path.join(folder, "encode-test");
    const sources = ["test/encode_test.cpp", "encode/target_avx2.cpp"].map((file) => path.join(kernels, file));
    // As node-gyp compiles them: fused products would give other bytes.
    const flags = ["-std=c++20", "-O1", "-ffp-contract=off", "-fno-math-errno", "-pthread"];
    const built = spawnSync(compiler, [...flags, ...sources, "-o", program], { encoding: "utf8" });
    expect(built.status, built.stderr).toBe(0);
    const ran = spawnSync(program, { encoding: "utf8" });
    expect(ran.status, ran.stderr).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 300_000);
