import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // Examples import the package by its name.
  resolve: { alias: { deepts: fileURLToPath(new URL("./src/node.ts", import.meta.url)) } },
  test: {
    include: ["src/**/*.test.ts", "web/**/*.test.ts", "test/**/*.test.ts"],
    reporters: ["./test/reporter.ts"],
    // Processes, not threads: a crash or a leak in native code stays in one test file.
    pool: "forks",
    // Threads that the code under test starts are TypeScript too.
    execArgv: ["--import", new URL("test/typescript-loader.mjs", import.meta.url).href],
    maxWorkers: Math.min(availableParallelism(), 8),
    // Wide, since a shared or slow machine is not a fault; a hang still ends.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // A second, by default.
    expect: { poll: { timeout: 50_000 } },
  },
});
