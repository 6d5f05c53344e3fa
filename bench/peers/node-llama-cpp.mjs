// npm's node-llama-cpp with its prebuilt engine. Too large to be a dependency: it is installed when it is measured.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "../../scripts/run.mjs";
import { runProgram } from "./program.mjs";

const VERSION = "3.22.1";
const folder = path.join(root, ".cache", "peers", `node-llama-cpp-${VERSION}`);
const runner = fileURLToPath(new URL("node-llama-cpp-run.mjs", import.meta.url));

/** @returns {Promise<import("./engines.mjs").Engine>} */
export async function nodeLlamaCpp(say) {
  const entry = path.join(folder, "node_modules", "node-llama-cpp", "dist", "index.js");
  if (!existsSync(entry)) {
    say(`installing node-llama-cpp ${VERSION} (85 MB)`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, "package.json"), '{ "private": true }\n');
    // Of its engines only the one for this machine's CPU; its script would fetch or compile others.
    const packages = [`node-llama-cpp@${VERSION}`, `@node-llama-cpp/${engineName()}@${VERSION}`];
    const flags = ["--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    await runProgram(["npm", "install", "--prefix", folder, ...flags, ...packages]);
  }
  const measure = async (file, work) => {
    const { stdout } = await runProgram([process.execPath, runner, entry, file, JSON.stringify(work)]);
    return JSON.parse(stdout);
  };
  return { name: "node-llama-cpp", how: `${VERSION}, prebuilt engine, flash attention auto`, measure };
}

function engineName() {
  if (process.platform === "darwin") return process.arch === "arm64" ? "mac-arm64-metal" : "mac-x64";
  return `${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
}
