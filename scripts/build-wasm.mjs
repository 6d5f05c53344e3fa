// `npm run build:wasm`: compiles kernels/ into build/wasm/*.wasm, the modules of the wasm backend. The compiler is itself
// WebAssembly, from npm: nothing else is needed.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Worker, workerData } from "node:worker_threads";
import { setupLock } from "./build.mjs";
import { withLock } from "./lock.mjs";
import { isMain, root, say } from "./run.mjs";

const folder = path.join(root, "build", "wasm");
const log = path.join(root, ".cache", "wasm.log");
const stamp = path.join(root, ".cache", "wasm-inputs");

/** Compiled once for all targets with addresses of one width. */
const SHARED = [
  "kernels/bind/wasm/host.cpp",
  "kernels/bind/wasm/module.cpp",
  "kernels/cpu/dispatch.cpp",
  "kernels/cpu/executor.cpp",
  "kernels/cpu/late_packing.cpp",
  "kernels/cpu/plan_reader.cpp",
  "kernels/cpu/pool.cpp",
  "kernels/cpu/weight.cpp",
];
const RELAXED = { flags: ["-mrelaxed-simd"], products: "kernels/cpu/qgemm/target_wasm_relaxed.cpp" };

// Atomic operations do no harm in a module without threads.
const COMPILE = [
  ...["-c", "-std=c++20", "-O3", "-fno-exceptions", "-fno-rtti", "-ffp-contract=off", "-fno-math-errno"],
  ...["-fvisibility=hidden", "-msimd128", "-pthread", "-I."],
];
const LINK = [
  ...["-O2", "-Wl,--strip-all", "-Wl,--import-memory", "-Wl,--export=__stack_pointer"],
  ...["-Wl,-z,stack-size=1048576", "-Wl,--initial-memory=4194304"],
];
// The C library comes without atomics: what it does is called from one thread only.
const LINK_THREADS = ["-Wl,--shared-memory", "-Wl,--no-check-features"];

/** What differs by the width of addresses. The libraries are for 32 bits; for 64, kernels/bind/wasm/library64.cpp is enough. */
const WIDTHS = {
  32: {
    compile: [],
    link: ["-mexec-model=reactor", "-Wl,--max-memory=4294967296"],
    shared: SHARED,
    targets: { wasm: { flags: [], products: "kernels/cpu/qgemm/target_wasm.cpp" }, "wasm-relaxed": RELAXED },
  },
  64: {
    compile: ["--target=wasm64-wasip1", "-idirafter", "/usr/include/wasm32-wasip1"],
    link: ["--target=wasm64-wasip1", "-nostdlib", "-Wl,--no-entry", "-Wl,--max-memory=17179869184"],
    shared: [...SHARED, "kernels/bind/wasm/library64.cpp"],
    targets: { wasm64: RELAXED },
  },
};

/** Whether the modules are made from what kernels/ holds now, or could not be. */
export function isWasmSettled() {
  if (!existsSync(path.join(root, "kernels"))) return true;
  return existsSync(stamp) && readFileSync(stamp, "utf8") === inputs();
}

/**
 * Compiles the modules. The caller holds `setupLock`.
 * @returns {Promise<string | null>} why they could not be built, or null
 */
export async function buildWasm() {
  mkdirSync(path.dirname(log), { recursive: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(log, "");
  const made = inputs();
  try {
    await compileAll();
    return null;
  } catch (error) {
    appendFileSync(log, `${error?.stack ?? error}\n`);
    return `the WebAssembly modules could not be built (${path.relative(root, log)} says why; \`npm run build:wasm\` tries again)`;
  } finally {
    writeFileSync(stamp, made);
  }
}

/** Those with addresses of one width in a thread of their own: the compiler keeps one core busy. */
async function compileAll() {
  const compileIn = async (thread) => {
    // An error that it throws is thrown here.
    const [code] = await once(thread, "exit");
    if (code !== 0) throw new Error(`the compiler's thread ended with status ${code}`);
  };
  await Promise.all(
    Object.keys(WIDTHS).map((bits) =>
      compileIn(new Worker(new URL(import.meta.url), { workerData: { compileWidth: bits } })),
    ),
  );
}

async function compileWidth(bits) {
  const { runClang } = await import("@yowasp/clang");
  const clang = async (args, files, output) => {
    const words = new TextDecoder();
    const note = (bytes) => bytes && appendFileSync(log, words.decode(bytes));
    const made = await runClang(["clang++", ...args, "-o", output], files, {
      stdout: note,
      stderr: note,
      fetchProgress: () => {},
    });
    return made[output];
  };
  const sources = sourceTree();
  const compile = async (files, flags) => {
    const objects = {};
    for (const file of files) {
      const name = `${file.slice(0, -".cpp".length).replaceAll("/", "-")}.o`;
      objects[name] = await clang([...COMPILE, ...flags, file], sources, "out.o");
    }
    return objects;
  };
  const width = WIDTHS[bits];
  const shared = await compile(width.shared, width.compile);
  for (const [name, { flags, products }] of Object.entries(width.targets)) {
    const own = ["kernels/cpu/targets/wasm.cpp", products];
    const objects = { ...shared, ...(await compile(own, [...width.compile, ...flags])) };
    for (const [suffix, more] of [
      ["", []],
      ["-threads", LINK_THREADS],
    ]) {
      const module = await clang([...LINK, ...width.link, ...more, ...Object.keys(objects)], objects, "out.wasm");
      writeFileSync(path.join(folder, `${name}${suffix}.wasm`), module);
    }
  }
}

/** The folder kernels/ as the compiler's file system, which knows no "..": includes are named from the top. */
function sourceTree() {
  const tree = {};
  for (const file of sourceFiles()) {
    const parts = file.split("/");
    let at = tree;
    for (const part of parts.slice(0, -1)) at = at[part] ??= {};
    const text = readFileSync(path.join(root, file), "utf8");
    const named = (_all, name) => `#include "${path.posix.join(path.posix.dirname(file), name)}"`;
    at[parts.at(-1)] = text.replace(/^#include "(.+)"/gm, named);
  }
  return tree;
}

function sourceFiles() {
  return readdirSync(path.join(root, "kernels"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(cpp|h|inl)$/.test(entry.name))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .filter((file) => !file.startsWith("kernels/bind/napi/"))
    .sort();
}

/** One hash over everything that the modules are made of. */
function inputs() {
  const hash = createHash("sha256");
  for (const file of ["scripts/build-wasm.mjs", "node_modules/@yowasp/clang/package.json", ...sourceFiles()]) {
    if (!existsSync(path.join(root, file))) continue;
    const bytes = readFileSync(path.join(root, file));
    hash.update(`${file} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

if (workerData?.compileWidth) {
  await compileWidth(workerData.compileWidth);
} else if (isMain(import.meta.url)) {
  const problem = await withLock(setupLock, buildWasm);
  if (problem !== null) {
    say(problem);
    process.exitCode = 1;
  } else {
    say(`built ${path.relative(root, folder)}/`);
  }
}
