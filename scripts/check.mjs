// `npm run check`: everything that can be said of the code without running it. Runs all checks, then names those that failed.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { root, run, tool } from "./run.mjs";
import { setup } from "./setup.mjs";

const node = process.execPath;

async function check() {
  const code = await setup();
  if (code !== 0) return code;
  const checks = [
    ["format and lint", [...tool("@biomejs/biome"), "check", "--error-on-warnings", "."]],
    ["types", [...tool("typescript", "tsc"), "--noEmit", "--project", "."]],
    ["import layers", [...tool("vitest"), "run", "--reporter=default", "test/imports.test.ts"]],
    ["lockfile", [node, "scripts/lockfile.mjs", "--check"]],
    ["changesets", [node, "scripts/changelog.mjs", "--check"]],
    ["generated docs", [node, "scripts/docs.mjs", "--check"]],
  ].filter(([, [, script]]) => existsSync(path.resolve(root, script)));
  const failed = [];
  for (const [name, command] of checks) {
    console.log(`\n== ${name}`);
    if ((await run(command, { stdout: "inherit" })) !== 0) failed.push(name);
  }
  console.log("\n== the ten largest source files (lines)");
  for (const { file, lines } of largest(10)) console.log(`${lines}`.padStart(6), file);
  console.log(failed.length === 0 ? `\n${checks.length} checks hold` : `\nfailed: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}

function largest(count) {
  const folders = ["src", "kernels", "web", "bench", "scripts", "bin"].filter((folder) =>
    existsSync(path.join(root, folder)),
  );
  return folders
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true }).map((file) => path.join(folder, file)),
    )
    .filter((file) => /\.(ts|tsx|css|mjs|cpp|h|inl|wgsl|cu|ptx)$/.test(file) && !file.endsWith(".test.ts"))
    .map((file) => ({ file, lines: readFileSync(path.join(root, file), "utf8").split("\n").length - 1 }))
    .sort((a, b) => b.lines - a.lines)
    .slice(0, count);
}

process.exitCode = await check();
