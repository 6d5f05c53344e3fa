import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { root } from "./run.mjs";

/**
 * Compiles the addon of the cpu backend once more beside the one in build/: for another architecture, or with other flags.
 * Sources and flags are those of binding.gyp.
 * @param {object} variant
 * @param {string} variant.name the folder below .cache/variants
 * @param {string} variant.arch as in `process.arch`
 * @param {string} variant.compiler
 * @param {string[]} [variant.flags] after those of binding.gyp, for compiling and linking
 * @returns {Promise<string>} a folder for DEEPTS_PREBUILD, where the package looks for its addon
 */
export async function buildVariant({ name, arch, compiler, flags = [] }) {
  const recipe = JSON.parse(readFileSync(path.join(root, "binding.gyp"), "utf8")).targets[0];
  const folder = path.join(root, ".cache", "variants", name);
  const addon = path.join(folder, "prebuilds", `linux-${arch}`, "deepts.node");
  mkdirSync(path.dirname(addon), { recursive: true });
  const includes = [
    path.join(path.dirname(process.execPath), "..", "include", "node"),
    path.join(root, "node_modules", "node-addon-api"),
  ].map((include) => `-I${include}`);
  const defines = recipe.defines.map((define) => `-D${define}`);
  const compileFlags = ["-fPIC", ...recipe.cflags_cc, ...flags, ...defines, ...includes];
  const objects = recipe.sources.map((source) => path.join(folder, `${source.replaceAll("/", "-")}.o`));
  const waiting = recipe.sources.map((source, i) => ["-c", source, "-o", objects[i]]);
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await compile(compiler, [...compileFlags, ...next]);
  };
  await Promise.all([worker(), worker()]);
  await compile(compiler, ["-shared", ...flags, ...objects, "-pthread", "-o", addon]);
  return folder;
}

/** @throws Error when the compiler refuses */
export function compile(compiler, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(compiler, args, { cwd: root, stdio: ["ignore", process.stderr, "inherit"] });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`${compiler} ${args.slice(-3).join(" ")} ended with ${code}`)),
    );
  });
}
