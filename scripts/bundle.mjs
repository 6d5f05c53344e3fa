// The build proper (tsdown.config.ts), as a process of its own: the bundler is large, and build.mjs also runs in the server's.
// Not the command `tsdown`, which warns that a later release of it leaves Node 20; package.json holds the one that does not.
import { build } from "tsdown";

try {
  await build({ outDir: process.argv[2], logLevel: "error" });
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
