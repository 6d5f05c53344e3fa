#!/usr/bin/env node
// The command `deepts`, and the only file that ends the process: everything below it returns.
import { existsSync } from "node:fs";
import { nodeVersionProblem } from "./node-version.mjs";

const program = new URL("../dist/cli/main.mjs", import.meta.url);
const problem =
  nodeVersionProblem() ?? (existsSync(program) ? null : "deepts is not built yet: run `npm run setup` in its folder");
if (problem !== null) {
  console.error(problem);
  process.exit(1);
}

// A reader that has seen enough (`deepts generate ... | head -1`) closes the pipe; that is no failure of ours.
process.stdout.on("error", (error) => process.exit(error.code === "EPIPE" ? 0 : 1));
process.stderr.on("error", () => process.exit(1));

const { main } = await import(program.href);
const code = await main(process.argv.slice(2));
// Exiting at once would cut off what a slow reader of a pipe has not taken yet.
process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
