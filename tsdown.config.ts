import { defineConfig, type UserConfig } from "tsdown";

const shared: UserConfig = {
  root: "src",
  format: "esm",
  sourcemap: true,
  dts: true,
  fixedExtension: true,
  report: false,
};

export default defineConfig([
  {
    ...shared,
    // The package's entries, the command, the files that threads run, which nothing imports, and what scripts/ and bench/ use.
    entry: [
      "src/node.ts",
      "src/cli/main.ts",
      "src/**/*-thread.ts",
      "!src/**/*-web-thread.ts",
      "src/convert/hf-directory.ts",
      "src/cli/documents.ts",
      "src/cli/measured-run.ts",
      "src/engine/agreement.ts",
      "src/engine/evaluate.ts",
      "src/engine/network-runner.ts",
    ],
    // dist/ mirrors src/, so that a path relative to import.meta.url means the same in both.
    unbundle: true,
    platform: "node",
    target: "node20.19",
    deps: { skipNodeModulesBundle: true },
  },
  // What a page loads, each in one file with all that it imports, so that neither a bundler nor a server has to know more.
  ...["src/browser.ts", "src/**/*-web-thread.ts"].map(
    (entry): UserConfig => ({
      ...shared,
      entry: [entry],
      dts: entry === "src/browser.ts",
      platform: "browser",
      target: "es2022",
      clean: false,
      deps: { alwaysBundle: [/./] },
    }),
  ),
]);
