// `npm test [-- files and vitest options]`: sets up what is missing, then runs the tests. The last line on stdout is
// `N passed, N failed, N skipped` (test/reporter.ts); the exit code is not 0 if a test failed or none ran.
import { run, tool } from "./run.mjs";
import { setup } from "./setup.mjs";

process.exitCode =
  (await setup()) || (await run([...tool("vitest"), "run", ...process.argv.slice(2)], { stdout: "inherit" }));
