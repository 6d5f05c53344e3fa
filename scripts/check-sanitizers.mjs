// `npm run check:sanitizers`: the kernels under sanitizers. AddressSanitizer and UndefinedBehaviorSanitizer: the addon, in the
// conformance suite and the tests of its lifetime, and the tests of kernels/cpu/qgemm. ThreadSanitizer: the pool.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { buildVariant, compile } from "./build-variant.mjs";
import { root, run, say, tool } from "./run.mjs";

const compiler = "g++";
// DTS_ROLLED: kernels/cpu/qgemm/compiler.h.
const strict = ["-DDTS_ROLLED", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

async function pool() {
  const program = path.join(root, ".cache", "variants", "pool-test");
  const sources = ["kernels/cpu/test/pool_test.cpp", "kernels/cpu/pool.cpp", "kernels/bind/napi/host.cpp"];
  await compile(compiler, ["-std=c++20", "-O1", "-g", "-fsanitize=thread", "-pthread", ...sources, "-o", program]);
  return run([program]);
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
  mkdirSync(path.join(root, ".cache", "variants"), { recursive: true });
  const checks = [
    ["the pool under ThreadSanitizer", pool],
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
