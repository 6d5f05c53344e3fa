// The build proper, as a process of its own: the bundlers are large, and build.mjs also runs in the server's.
// src/ by tsdown (tsdown.config.ts); not the command `tsdown`, which warns that a later release of it leaves Node 20: package.json
// holds the one that does not. web/ by Vite (web/vite.config.ts).
import path from "node:path";
import { build } from "tsdown";
import { build as buildPage } from "vite";
import { root } from "./run.mjs";

const outDir = process.argv[2];
const web = path.join(root, "web");

try {
  await build({ outDir, logLevel: "error" });
  await buildPage({
    root: web,
    configFile: path.join(web, "vite.config.ts"),
    configLoader: "runner", // writes no file beside the configuration: node_modules/ may be shared
    logLevel: "error",
    build: { outDir: path.join(outDir, "web"), emptyOutDir: true },
  });
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
