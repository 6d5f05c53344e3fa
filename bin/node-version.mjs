import { readFileSync } from "node:fs";

/**
 * What to tell somebody whose Node is too old, or null. The least version is the one package.json names in `engines`.
 * Written for old versions too: it must run where the rest does not.
 * @param {string} [running] e.g. "20.19.0"
 * @returns {string | null}
 */
export function nodeVersionProblem(running = process.versions.node) {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const least = manifest.engines.node.replace(">=", "");
  const want = least.split(".").map(Number);
  const have = running.split(".").map(Number);
  const differs = want.findIndex((part, i) => part !== have[i]);
  if (differs === -1 || have[differs] > want[differs]) return null;
  return `deepts needs Node ${least} or newer and this is Node ${running}: install a newer one from https://nodejs.org`;
}
