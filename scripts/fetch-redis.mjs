// Installs the Redis that test/server/redis.test.ts runs, from the system's packages.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { run, say } from "./run.mjs";

/** Failing is not the end: the test says that it was skipped, which is a failure where CI=true. */
export async function fetchRedis() {
  if (spawnSync("redis-server", ["--version"]).status === 0) return;
  const advice = "a test of shared rate limits wants redis-server: install it (Debian: apt-get install redis-server)";
  if (!existsSync("/usr/bin/apt-get") || process.getuid() !== 0) return say(advice);
  say("installing Redis for a test (apt-get install redis-server) ...");
  const install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "redis-server"];
  if ((await run(install)) === 0) return;
  // The lists may be missing, or older than what the mirror has now.
  if ((await run(["apt-get", "update", "--quiet"])) !== 0 || (await run(install)) !== 0) say(advice);
}
