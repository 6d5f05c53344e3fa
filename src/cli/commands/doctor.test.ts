import { describe, expect, it } from "vitest";
import { runCli } from "../../../test/cli/test-io.ts";
import { BACKENDS } from "../../node.ts";

describe("deepts doctor", () => {
  it("tells of every backend, what it runs on or why it cannot", async () => {
    const { code, stdout } = await runCli(["doctor", "--threads", "1", "--json"]);
    const report = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(report.node).toBe(process.version);
    expect(report.backends.map(({ name }: { name: string }) => name)).toEqual([...BACKENDS]);
    for (const { available, detail, speed, name } of report.backends) {
      expect(detail, name).not.toBe("");
      if (!available) expect(detail).toContain(`backend ${name}: `);
      if (speed) expect([speed.read > 0, speed.copy > 0, speed.flops > 0]).toEqual([true, true, true]);
    }
    expect(report.backends.find(({ name }: { name: string }) => name === "reference").available).toBe(true);
  });

  it("prints a table with the CPU and the targets", async () => {
    const { code, stdout } = await runCli(["doctor", "--threads", "1"]);
    expect(code).toBe(0);
    for (const label of ["node", "cpu", "memory", "targets", "backend reference"]) {
      expect(stdout).toMatch(new RegExp(`^${label} `, "m"));
    }
  });
});
