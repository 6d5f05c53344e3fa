// Runs schemathesis (PyPI) over /openapi.json of a server with the embedded model: requests that follow the schemas and
// requests that break them. No answer may be a 5xx, have a status or a form that the document does not name. Takes some
// minutes and is not part of CI; docs/API.md has the last result.
//   node scripts/check-api.mjs [further arguments of schemathesis]
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { root, run, say } from "./run.mjs";
import { setup } from "./setup.mjs";
import { startProgram } from "./start-program.mjs";

const VERSION = "4.32.5";

/**
 * What is checked. Left out: `positive_data_acceptance`, since a schema cannot say all that makes a request right (two
 * fields that contradict each other, a prompt that is too long, values that are refused by name), and what tells of
 * methods that are not described, which get 405 as HTTP asks.
 */
const CHECKS =
  "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection";

/** A body that is wrong because it has too much in it may be refused for its size. */
const CONFIG = `[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]
`;

async function main() {
  const code = await setup();
  if (code !== 0) return code;
  const folder = mkdtempSync(path.join(os.tmpdir(), "deepts-schemathesis-"));
  const deepts = [process.execPath, path.join(root, "bin", "deepts.mjs")];
  const { url, close } = await startProgram([...deepts, "serve", "--port", "0", "--ctx-size", "256"]);
  try {
    const python = path.join(folder, "bin", "python");
    if (spawnSync("python3", ["-m", "venv", folder]).status !== 0) return failed("python3 with venv is needed");
    say(`installing schemathesis ${VERSION} ...`);
    if (await run([python, "-m", "pip", "install", "--quiet", `schemathesis==${VERSION}`])) return failed("pip failed");
    const args = ["--url", url, "--checks", CHECKS, "--max-examples", "100", "--workers", "2", "--mode", "all"];
    const seed = ["--seed", "1", "--phases", "examples,coverage,fuzzing", "--request-timeout", "60"];
    // The web socket takes no plain requests, and pages and metrics are no JSON.
    const without = ["--exclude-path-regex", "^/(v1/ws|metrics|docs|)$"];
    const command = [path.join(folder, "bin", "schemathesis"), "run", `${url}/openapi.json`];
    const rest = [...args, ...seed, ...without, ...process.argv.slice(2)];
    writeFileSync(path.join(folder, "schemathesis.toml"), CONFIG);
    // It leaves what it found in the current folder.
    const tester = spawn(command[0], [...command.slice(1), ...rest], { cwd: folder, stdio: "inherit" });
    return (await once(tester, "close"))[0] ?? 1;
  } finally {
    await close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function failed(why) {
  say(why);
  return 1;
}

process.exitCode = await main();
