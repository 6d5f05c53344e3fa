import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it } from "vitest";
import { newerNode } from "../../scripts/fetch-test-tools.mjs";
import { problemOf } from "../../src/backends/wasm/backend.ts";
import { missing } from "../skip.ts";
import { NO_WASM } from "../wasm-module.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const node = newerNode();

function reasonToSkip(): string | null {
  if (NO_WASM !== null) return NO_WASM;
  if (problemOf("wasm64") === null) return "this Node has relaxed SIMD and Memory64: the tests run in it";
  if (node === null) return "npm has a newer Node for tests on Linux x64 only";
  return existsSync(node) ? null : missing("a newer Node (node scripts/fetch-test-tools.mjs)");
}

/** Runs the tests of a file whose full names match, in the newer Node. @returns how many passed; none may fail */
async function passedIn(file: string, names = ""): Promise<number> {
  const vitest = path.join(root, "node_modules", "vitest", "vitest.mjs");
  const args = [vitest, "run", file, "--reporter=json", "--testNamePattern", names];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST")));
  const child = spawn(node!, args, { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] });
  let report = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (report += text));
  await once(child, "close");
  const { numPassedTests, numFailedTests } = JSON.parse(report);
  expect(numFailedTests).toBe(0);
  return numPassedTests;
}

describe("in a newer Node", () => {
  beforeEach((t) => {
    const reason = reasonToSkip();
    if (reason !== null) t.skip(reason);
  });

  it("the targets of relaxed SIMD conform in the products of weights, exact and fast", {
    timeout: 600_000,
  }, async () => {
    const names = "target wasm(-relaxed|64) (with 2 threads|fast numerics) (linear|expertsFfn|is the one)";
    expect(await passedIn("test/conformance/wasm.test.ts", names)).toBeGreaterThan(800);
  });

  it("the target wasm64 conforms in what its own library serves", { timeout: 600_000 }, async () => {
    const names = "target wasm64 with 1 threads (rope|mlaAttention|gqaAttention|indexerSelect|routeExperts)";
    expect(await passedIn("test/conformance/wasm.test.ts", names)).toBeGreaterThan(100);
  });

  it("64-bit addresses reach beyond 4 GiB", { timeout: 600_000 }, async () => {
    expect(await passedIn("test/wasm/memory64.test.ts")).toBe(3);
  });

  it("large weights get 64-bit addresses", { timeout: 600_000 }, async () => {
    expect(await passedIn("test/wasm/lifetime.test.ts", "64-bit|refuses a target")).toBe(2);
  });
});
