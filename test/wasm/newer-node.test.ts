import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { newerNode } from "../../scripts/fetch-test-tools.mjs";
import { acceptsRelaxed } from "../../src/backends/wasm/backend.ts";
import { missing } from "../skip.ts";
import { NO_WASM } from "../wasm-module.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const node = newerNode();

function reasonToSkip(): string | null {
  if (NO_WASM !== null) return NO_WASM;
  if (acceptsRelaxed()) return "this Node has relaxed SIMD: test/conformance/wasm.test.ts runs the target";
  if (node === null) return "npm has a newer Node for tests on Linux x64 only";
  return existsSync(node) ? null : missing("a newer Node (node scripts/fetch-test-tools.mjs)");
}

/** The tests of the conformance suite whose full names match, in the newer Node. */
async function conformance(names: string): Promise<{ numPassedTests: number; numFailedTests: number }> {
  const vitest = path.join(root, "node_modules", "vitest", "vitest.mjs");
  const args = [vitest, "run", "test/conformance/wasm.test.ts", "--reporter=json", "--testNamePattern", names];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST")));
  const child = spawn(node!, args, { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] });
  let report = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (report += text));
  await once(child, "close");
  return JSON.parse(report);
}

describe("the target wasm-relaxed in a newer Node", () => {
  it("conforms in the products of weights, exact and fast", { timeout: 600_000 }, async (t) => {
    const reason = reasonToSkip();
    if (reason !== null) t.skip(reason);
    const { numPassedTests, numFailedTests } = await conformance(
      "target wasm-relaxed (with 2 threads|fast numerics) (linear|expertsFfn|is the one)",
    );
    expect(numFailedTests).toBe(0);
    expect(numPassedTests).toBeGreaterThan(400);
  });
});
