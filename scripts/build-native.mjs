// `npm run build:native`: compiles kernels/ into build/Release/deepts.node, the addon of the cpu backend. Needs a C++20 compiler,
// make and Python, as node-gyp does.
//   --prebuild   also copies it to prebuilds/<platform>-<arch>/, where node-gyp-build looks in the published package
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setupLock } from "./build.mjs";
import { withLock } from "./lock.mjs";
import { isMain, root, say, tool } from "./run.mjs";

const addon = path.join(root, "build", "Release", "deepts.node");
const recipe = path.join(root, "binding.gyp");
const log = path.join(root, ".cache", "native.log");
/** What was tried last, whether it went well or not: without a compiler, a start should not try again each time. */
const stamp = path.join(root, ".cache", "native-inputs");

/** Whether there is nothing to do: the addon is made from what kernels/ holds now, or could not be, or there are no kernels. */
export function isNativeSettled() {
  return !existsSync(recipe) || (existsSync(stamp) && readFileSync(stamp, "utf8") === inputs());
}

/** Whether there is an addon. */
export function isNativeBuilt() {
  return existsSync(addon);
}

/**
 * Compiles the addon. The caller holds `setupLock`.
 * @returns {Promise<string | null>} why it could not be built, or null
 */
export async function buildNative() {
  mkdirSync(path.dirname(log), { recursive: true });
  const made = inputs();
  const code = await compile();
  writeFileSync(stamp, made);
  if (code === 0) return null;
  return `the native kernels could not be built (${path.relative(root, log)} says why; \`npm run build:native\` tries again)`;
}

function compile() {
  const output = openSync(log, "w");
  const headers = bundledHeaders();
  const [program, ...args] = [
    ...tool("node-gyp"),
    ...["configure", "build", "--release", "--jobs=max"],
    ...(headers === null ? [] : [`--nodedir=${headers}`]),
  ];
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: ["ignore", output, output] });
    child.once("error", () => resolve(1));
    child.once("close", (code) => resolve(code ?? 1));
  });
}

/** The headers that came with this Node, so that none need to be fetched; null where it has none. */
function bundledHeaders() {
  const prefix = path.dirname(path.dirname(process.execPath));
  return existsSync(path.join(prefix, "include", "node", "node_api.h")) ? prefix : null;
}

/** One hash over everything that the addon is made of. */
function inputs() {
  const sources = readdirSync(path.join(root, "kernels"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(cpp|h|inl)$/.test(entry.name))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .sort();
  const hash = createHash("sha256").update(`${process.version} ${process.arch}\n`);
  for (const file of ["binding.gyp", ...sources]) {
    const bytes = readFileSync(path.join(root, file));
    hash.update(`${file} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

if (isMain(import.meta.url)) {
  const problem = await withLock(setupLock, buildNative);
  if (problem !== null) {
    say(problem);
    process.exitCode = 1;
  } else {
    say("built build/Release/deepts.node");
    if (process.argv.includes("--prebuild")) {
      const folder = path.join(root, "prebuilds", `${process.platform}-${process.arch}`);
      mkdirSync(folder, { recursive: true });
      copyFileSync(addon, path.join(folder, "deepts.node"));
      say(`copied to ${path.relative(root, folder)}`);
    }
  }
}
