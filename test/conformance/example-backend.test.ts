import { expect, it } from "vitest";
import type { Backend } from "../../src/tensor/backend.ts";
import { plainBatch } from "./cases/batches.ts";
import { doublingProgram } from "./contract/programs.ts";
import { prepare } from "./execute.ts";
import { opConformance } from "./ops.ts";

const example = new URL("../../examples/timing-backend.mjs", import.meta.url).href;
const { createBackend } = (await import(example)) as {
  createBackend(options: { report: (table: string) => void }): Backend;
};

opConformance(async () => createBackend({ report: () => {} }));

it("reports steps and rows of each Program once, when it closes", async () => {
  const tables: string[] = [];
  const backend = createBackend({ report: (table) => tables.push(table) });
  const program = doublingProgram(2);
  const limits = { maxRows: 3, maxSeqs: 1, maxLogitRows: 1, numerics: "exact" as const };
  const executable = await prepare(backend, program, { ...limits, cache: backend.allocCache(program.cache, 1) });
  for (const rows of [3, 1]) await executable.run(plainBatch(rows), { x: new Float32Array(2 * rows) });
  backend.close();
  backend.close();
  expect(tables).toHaveLength(1);
  expect(tables[0]).toMatch(/program +steps +rows .*\n *doubling +2 +4 /);
});
