import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { OP_KINDS } from "../../src/tensor/program.ts";
import { allCases } from "./cases/all.ts";
import { TOLERANCES, toleranceOf, toleranceTable } from "./tolerances.ts";
import { ALL_DTYPES } from "./weights.ts";

const page = fileURLToPath(new URL("../../docs/NUMERICS.md", import.meta.url));

describe("docs/NUMERICS.md", () => {
  it("shows the tolerances that the suite uses", () => {
    expect(readFileSync(page, "utf8")).toContain(`\n\n${toleranceTable("exact")}\n\n`);
  });
});

describe("the list of cases", () => {
  const cases = allCases();

  it("has every op, and every type of weight for every op with large weights", () => {
    for (const op of OP_KINDS) expect(cases.filter((c) => c.op === op).length, op).toBeGreaterThan(3);
    for (const op of ["embed", "linear", "mlaAttention", "expertsFfn"]) {
      const dtypes = new Set(cases.filter((c) => c.op === op).map((c) => c.dtype));
      expect([...dtypes].sort(), op).toEqual([...ALL_DTYPES].sort());
    }
  });

  it("uses every line of the table, and has a line for every case", () => {
    const used = new Set(cases.map((c) => toleranceOf(c.op, c.dtype, "exact")));
    expect(TOLERANCES.exact!.filter((line) => !used.has(line))).toEqual([]);
  });

  it("has no two cases of one name", () => {
    const names = cases.map((c) => `${c.op} ${c.dtype} ${c.name}`);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });
});
