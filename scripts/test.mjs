// `npm test [-- files and vitest options]`: sets up what is missing, then runs the tests. The last line on stdout is
// `N passed, N failed, N skipped` (test/reporter.ts); the exit code is not 0 if a test failed or none ran.
import { fetchRedis } from "./fetch-redis.mjs";
import { fetchTestModels } from "./fetch-test-models.mjs";
import { fetchTestTools } from "./fetch-test-tools.mjs";
import { run, tool } from "./run.mjs";
import { setup } from "./setup.mjs";

const args = process.argv.slice(2);

async function test() {
  const code = await setup({ wasm: true });
  if (code !== 0) return code;
  if (args.length === 0) {
    // The tests that want them say so when they could not be had.
    await fetchTestModels();
    await fetchTestTools();
    await fetchRedis();
  }
  return run([...tool("vitest"), "run", ...args], { stdout: "inherit" });
}

process.exitCode = await test();
