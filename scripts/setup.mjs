// Makes a checkout ready to run: dependencies, dist/, the native kernels and the command `deepts`. Where all is in place it only looks.
import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { nodeVersionProblem } from "../bin/node-version.mjs";
import { build, isBuilt, setupLock } from "./build.mjs";
import { buildNative, isNativeBuilt, isNativeSettled } from "./build-native.mjs";
import { buildWasm, isWasmSettled } from "./build-wasm.mjs";
import { withLock } from "./lock.mjs";
import { isMain, root, run, say } from "./run.mjs";

/**
 * @param {{ wasm?: boolean }} [options] wasm: whether to build the WebAssembly modules also where the native kernels can be built
 * @returns {Promise<number>} 0, or the exit code of the step that failed (it has said why)
 */
export async function setup({ wasm = false } = {}) {
  const problem = nodeVersionProblem();
  if (problem !== null) {
    console.error(problem);
    return 1;
  }
  if (!isInstalled() || !isBuilt() || !isNativeSettled() || wantsWasm(wasm)) {
    const code = await withLock(setupLock, () => installAndBuild(wasm));
    if (code !== 0) return code;
  }
  linkCommand();
  return 0;
}

/** Looks again at each step: the holder of the lock before us may have done it. */
async function installAndBuild(wasm) {
  if (!isInstalled()) {
    say("installing dependencies (npm ci) ...");
    const code = await run([...npm(), "ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"], {
      shell: npm()[0] === "npm" && process.platform === "win32",
    });
    if (code !== 0) return failed("npm ci", code, "it needs a package registry: try `npm ping`");
  }
  if (!isBuilt()) {
    say("building dist/ (tsdown, Vite) ...");
    const code = await build();
    if (code !== 0) return failed("the build", code, "`npm run check` says more");
  }
  if (!isNativeSettled()) {
    say("building the native kernels (node-gyp) ...");
    const problem = await buildNative();
    if (problem !== null) say(`${problem}; the WASM backend computes instead`);
  }
  if (wantsWasm(wasm)) {
    say("building the WebAssembly modules (two minutes) ...");
    const problem = await buildWasm();
    if (problem !== null) say(isNativeBuilt() ? problem : `${problem}; the slower reference backend computes instead`);
  }
  return 0;
}

/** The modules serve where there is no addon, and the tests run them everywhere. */
function wantsWasm(always) {
  return (always || !isNativeBuilt()) && !isWasmSettled();
}

function failed(step, code, advice) {
  say(
    code > 128 ? `${step} was interrupted` : `${step} failed (exit code ${code}), its own words are above; ${advice}`,
  );
  return code;
}

/**
 * Whether node_modules/ holds what package-lock.json asks for. npm writes a lockfile of its own into node_modules/ as the
 * last act of an install, so an interrupted one does not count. Optional packages may be missing: most are for other machines.
 */
function isInstalled() {
  const present = packages("node_modules/.package-lock.json");
  return Object.entries(packages("package-lock.json")).every(([where, wanted]) => {
    const found = present[where];
    return where === "" || (found ? found.version === wanted.version : wanted.optional || wanted.devOptional);
  });
}

function packages(lockfile) {
  const file = path.join(root, lockfile);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).packages : {};
}

/** The npm that runs us, where one does. */
function npm() {
  const script = process.env.npm_execpath;
  return script && path.basename(script) === "npm-cli.js" ? [process.execPath, script] : ["npm"];
}

/** npm links the commands of dependencies only; `npx deepts` in the checkout needs one for the package itself. */
function linkCommand() {
  const folder = path.join(root, "node_modules", ".bin");
  const windows = process.platform === "win32";
  const link = path.join(folder, windows ? "deepts.cmd" : "deepts");
  if (lstatSync(link, { throwIfNoEntry: false })) return;
  mkdirSync(folder, { recursive: true });
  try {
    if (windows) writeFileSync(link, '@node "%~dp0..\\..\\bin\\deepts.mjs" %*\r\n');
    else symlinkSync("../../bin/deepts.mjs", link);
  } catch (error) {
    if (error.code !== "EEXIST") throw error; // another start was quicker
  }
}

if (isMain(import.meta.url)) process.exitCode = await setup();
