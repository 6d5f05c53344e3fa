import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { fixture } from "../shared-fixtures.ts";
import { skipMissing } from "../skip.ts";

const compiler = process.env.CXX ?? "g++";
const script = fileURLToPath(new URL("../../kernels/cpu/qgemm/check.sh", import.meta.url));

describe("the quantised products of kernels/cpu/qgemm", () => {
  it("pass their own tests on every target of this CPU", (t) => {
    if (spawnSync(compiler, ["--version"]).status !== 0) skipMissing(t, `a C++ compiler (${compiler})`);
    const dequant = fixture("dequant");
    const result = spawnSync("bash", [script, ...(dequant === null ? [] : [dequant])], {
      encoding: "utf8",
      env: { ...process.env, SANITIZE: "0" }, // by hand without it: the sanitized build takes minutes
    });
    expect(result.status, result.stdout + result.stderr).toBe(0);
  }, 300_000);
});
