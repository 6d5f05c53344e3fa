// Loads a model, reads a prompt that fills its cache, and says in JSON by how much the process grew, and how many bytes the
// experts have that no token chose: those of a mapped file do not come in.
import { readFileSync } from "node:fs";
import { openCpu } from "../../src/backends/cpu/backend.ts";
import { firstPages, pagesFor } from "../../src/engine/evaluate.ts";
import { NetworkRunner } from "../../src/engine/network-runner.ts";
import { sequenceRows } from "../../src/engine/sequence-rows.ts";
import { openModel } from "../../src/node.ts";
import { type Numerics, ROW_PROMPT } from "../../src/tensor/backend.ts";

const [model, numerics, context] = process.argv.slice(2);
const tokens = Number(context);

const residentBytes = () => Number(readFileSync("/proc/self/status", "utf8").match(/^VmRSS:\s*(\d+) kB/m)![1]) * 1024;

const before = residentBytes();
const { checkpoint } = await openModel(model);
const backend = openCpu({ threads: 2 });
const options = { pages: pagesFor(tokens), maxLogitRows: 1, numerics: numerics as Numerics, taps: { routes: true } };
const runner = await NetworkRunner.load(checkpoint, backend, options);
const expertOps = runner.program.ops.filter((op) => op.kind === "expertsFfn");
const chosen = expertOps.map(() => new Set<number>());
for (let start = 0; start < tokens; start += runner.maxRows) {
  const rows = Math.min(runner.maxRows, tokens - start);
  // Neighbours in the table, which is not meant to come in.
  const neighbours = Int32Array.from({ length: rows }, (_, i) => start + i);
  const outputs = await runner.run(sequenceRows(neighbours, start, ROW_PROMPT, firstPages(tokens), rows - 1));
  const routes = Object.entries(outputs).filter(([name]) => /^routes\.\d+\.ids$/.test(name));
  for (const [layer, [, ids]] of routes.entries()) for (const id of await ids.read()) chosen[layer]!.add(id);
}
const unchosenBytes = expertOps.reduce((sum, { gate, up, down }, layer) => {
  const sources = [gate, up, down].map((name) => runner.program.weights.get(name)!.source);
  const bytes = sources.flatMap(({ segments }) => segments).reduce((all, { byteLength }) => all + byteLength, 0);
  const experts = sources[0]!.shape[0]!;
  return sum + (bytes / experts) * (experts - chosen[layer]!.size);
}, 0);
console.log(JSON.stringify({ growth: residentBytes() - before, unchosenBytes }));
runner.close();
backend.close();
await checkpoint.close();
