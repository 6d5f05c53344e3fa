// Writes the parts of the documents that are made from the program's own tables (src/cli/documents.ts) and from stored
// measurements (bench/peers/report*.mjs), each between `<!-- generated: NAME -->` and `<!-- end of NAME -->`.
//   node scripts/docs.mjs          writes them
//   node scripts/docs.mjs --check  fails if one is not what the program says
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { benchmarkSections, storedRuns } from "../bench/peers/report.mjs";
import { numericsSections } from "../bench/peers/report-quantize.mjs";
import { root, say } from "./run.mjs";
import { setup } from "./setup.mjs";

/** @returns {Promise<number>} exit code */
async function docs() {
  const code = await setup();
  if (code !== 0) return code;
  const { generatedSections } = await import(new URL("../dist/cli/documents.mjs", import.meta.url).href);
  const runs = storedRuns();
  const all = {
    ...generatedSections(),
    "docs/BENCHMARKS.md": benchmarkSections(runs),
    "docs/NUMERICS.md": numericsSections(runs),
  };
  const stale = [];
  for (const [file, sections] of Object.entries(all)) {
    const before = readFileSync(path.join(root, file), "utf8");
    const after = Object.entries(sections).reduce((text, [name, made]) => replace(file, text, name, made), before);
    if (after === before) continue;
    stale.push(file);
    if (!process.argv.includes("--check")) writeFileSync(path.join(root, file), after);
  }
  if (!process.argv.includes("--check")) {
    say(stale.length === 0 ? "the documents are up to date" : `wrote ${stale.join(", ")}`);
    return 0;
  }
  if (stale.length > 0) say(`${stale.join(", ")}: not what the program says; run \`npm run docs\``);
  return stale.length === 0 ? 0 : 1;
}

function replace(file, text, name, made) {
  const [start, end] = [`<!-- generated: ${name} -->`, `<!-- end of ${name} -->`];
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${file} lacks the line ${start} or, after it, ${end}`);
  return `${text.slice(0, from + start.length)}\n\n${made}\n\n${text.slice(to)}`;
}

process.exitCode = await docs();
