import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { withLock } from "./lock.mjs";
import { isMain, root, run, say } from "./run.mjs";

const dist = path.join(root, "dist");
const stamp = path.join(dist, ".inputs");
const settings = ["package.json", "package-lock.json", "tsconfig.json", "tsdown.config.ts"];

/** Held while node_modules/ or dist/ change. */
export const setupLock = path.join(root, ".cache", "setup.lock");

/** Whether dist/ was made from what src/ and web/ hold now. Compares contents: a checkout of another branch keeps no order of times. */
export function isBuilt() {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === inputs();
}

/**
 * Builds into a folder aside and moves it to dist/ when it is whole, so that a failed build leaves the last good one.
 * The caller holds `setupLock`.
 * @returns {Promise<number>} exit code
 */
export async function build() {
  const next = path.join(root, ".cache", "dist-next");
  const last = path.join(root, ".cache", "dist-last");
  const made = inputs();
  const code = await run([process.execPath, path.join(root, "scripts", "bundle.mjs"), next]);
  if (code !== 0) return code;
  writeFileSync(path.join(next, path.basename(stamp)), made);
  rmSync(last, { recursive: true, force: true });
  if (existsSync(dist)) renameSync(dist, last);
  renameSync(next, dist);
  rmSync(last, { recursive: true, force: true });
  return 0;
}

/** One hash over everything that the build reads. */
function inputs() {
  const sources = ["src", "web"]
    .flatMap((folder) => readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && !/(\.test\.ts|\.md)$/.test(entry.name))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .sort();
  const hash = createHash("sha256");
  for (const file of [...settings, ...sources]) {
    const bytes = readFileSync(path.join(root, file));
    hash.update(`${file} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

if (isMain(import.meta.url)) {
  process.exitCode = await withLock(setupLock, build);
  if (process.exitCode === 0) say("built dist/");
}
