// Loads a model, reads a prompt that fills its cache, and says in JSON by how much the process grew.
import { readFileSync } from "node:fs";
import { openCpu } from "../../src/backends/cpu/backend.ts";
import { pagesFor } from "../../src/engine/evaluate.ts";
import { NetworkRunner } from "../../src/engine/network-runner.ts";
import { openModel } from "../../src/node.ts";
import { type Numerics, ROW_PROMPT } from "../../src/tensor/backend.ts";

const [model, numerics, context] = process.argv.slice(2);
const tokens = Number(context);

const residentBytes = () => Number(readFileSync("/proc/self/status", "utf8").match(/^VmRSS:\s*(\d+) kB/m)![1]) * 1024;

const before = residentBytes();
const { checkpoint } = await openModel(model);
const backend = openCpu({ threads: 2 });
const pages = pagesFor(tokens);
const options = { pages, maxLogitRows: 1, numerics: numerics as Numerics };
const runner = await NetworkRunner.load(checkpoint, backend, options);
for (let start = 0; start < tokens; start += runner.maxRows) {
  const rows = Math.min(runner.maxRows, tokens - start);
  const positions = Int32Array.from({ length: rows }, (_, i) => start + i);
  await runner.run({
    // Neighbours in the table, which is not meant to come in.
    tokens: positions,
    positions,
    sequences: new Int32Array(rows),
    kinds: new Uint8Array(rows).fill(ROW_PROMPT),
    blockTables: [Int32Array.from({ length: pages }, (_, page) => page)],
    logitRows: Int32Array.of(rows - 1),
  });
}
console.log(JSON.stringify({ growth: residentBytes() - before }));
runner.close();
backend.close();
await checkpoint.close();
