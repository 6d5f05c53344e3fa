// `npm run check:sanitizers`: the kernels under sanitizers. AddressSanitizer and UndefinedBehaviorSanitizer: the addon, in the
// conformance suite and the tests of its lifetime, and the tests of kernels/cpu/qgemm. ThreadSanitizer: the pool, and the steps
// of small models on four threads.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { buildVariant } from "./build-variant.mjs";
import { buildKernelProgram } from "./kernel-programs.mjs";
import { root, run, say, tool } from "./run.mjs";

const compiler = "g++";
const variants = path.join(root, ".cache", "variants");
// DTS_ROLLED: kernels/cpu/qgemm/compiler.h.
const strict = ["-DDTS_ROLLED", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

async function threads(name, args) {
  const program = path.join(variants, `${name}-threads`);
  await buildKernelProgram(name, program, compiler, ["-O1", "-g", "-fsanitize=thread"]);
  return run([program, ...args]);
}

/** What the executor's test runs, written by the backend. */
function recordedRuns() {
  const folder = path.join(variants, "runs");
  mkdirSync(folder, { recursive: true });
  const module = JSON.stringify(new URL("../test/kernels/recorded-run.ts", import.meta.url).href);
  const script = `import { writeRuns } from ${module}; console.log(JSON.stringify(await writeRuns(${JSON.stringify(folder)})));`;
  const args = ["--import", "./test/typescript-loader.mjs", "--input-type=module", "--eval", script];
  return JSON.parse(execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" }));
}

async function addon() {
  const DEEPTS_PREBUILD = await buildVariant({
    name: "sanitized",
    arch: process.arch,
    compiler,
    flags: ["-O1", "-g1", ...strict],
  });
  // Node itself is not sanitized: the runtime has to be there before it, and what Node leaves to the system is no leak of ours.
  const library = (name) => execFileSync(compiler, [`-print-file-name=${name}`], { encoding: "utf8" }).trim();
  const environment = {
    DEEPTS_PREBUILD,
    LD_PRELOAD: `${library("libasan.so")} ${library("libubsan.so")}`,
    // Freed memory is kept back for a while to find its use: less of it than a test of the process's growth allows for.
    ASAN_OPTIONS: "detect_leaks=0:quarantine_size_mb=8",
    UBSAN_OPTIONS: "print_stacktrace=1",
  };
  const files = ["test/conformance/cpu.test.ts", "test/cpu/lifetime.test.ts"];
  const set = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return run(["env", ...set, ...tool("vitest"), "run", ...files], { stdout: "inherit" });
}

async function check() {
  if (process.platform !== "linux" || spawnSync(compiler, ["--version"]).status !== 0) {
    say("the sanitizers need Linux and g++; on Debian: apt-get install -y g++");
    return 1;
  }
  mkdirSync(variants, { recursive: true });
  const checks = [
    ["the pool under ThreadSanitizer", () => threads("pool", [])],
    ["steps under ThreadSanitizer", () => threads("executor", recordedRuns())],
    ["the addon under AddressSanitizer and UndefinedBehaviorSanitizer", addon],
    ["the quantised products under both", () => run(["bash", "kernels/cpu/qgemm/check.sh"], { stdout: "inherit" })],
  ];
  const failed = [];
  for (const [name, one] of checks) {
    say(name);
    if ((await one()) !== 0) failed.push(name);
  }
  say(failed.length === 0 ? "nothing found" : `failed: ${failed.join("; ")}`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await check();
