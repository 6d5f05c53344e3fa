import { defineConfig } from "tsdown";

export default defineConfig({
  // The package's entries, the command, the files that threads run, which nothing imports, and what scripts/ and bench/ use.
  entry: [
    "src/node.ts",
    "src/cli/main.ts",
    "src/**/*-thread.ts",
    "src/convert/hf-directory.ts",
    "src/cli/documents.ts",
    "src/cli/measured-run.ts",
    "src/engine/agreement.ts",
    "src/engine/evaluate.ts",
    "src/engine/network-runner.ts",
  ],
  root: "src",
  // dist/ mirrors src/, so that a path relative to import.meta.url means the same in both.
  unbundle: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  sourcemap: true,
  dts: true,
  deps: { skipNodeModulesBundle: true },
  report: false,
});
