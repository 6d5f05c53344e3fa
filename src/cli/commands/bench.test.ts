import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { runCli } from "../../../test/cli/test-io.ts";
import { agreement, spread } from "../../engine/benchmark.ts";
import { openModel } from "../../node.ts";

function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), "deepts-bench-"));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

const SMALL = ["bench", "--prompt", "8", "--generate", "2", "--repeat", "3", "--json"];

describe("deepts bench", () => {
  it("prints an entry for reading and one for writing, with every run and their median", async () => {
    const { code, stdout, stderr } = await runCli([...SMALL, "--depth", "40"]);
    expect(code, stderr).toBe(0);
    const { results, outputCheck } = JSON.parse(stdout);
    expect(results).toMatchObject([
      { prompt: 8, generate: 0, depth: 40 },
      { prompt: 0, generate: 2, depth: 40 },
    ]);
    for (const { runs, tokensPerSecond, distinctExperts } of results) {
      expect(runs).toHaveLength(3);
      expect(tokensPerSecond).toBe(runs.toSorted((a: number, b: number) => a - b)[1]);
      expect(distinctExperts).toBeGreaterThan(0);
    }
    expect(results[1].activeBytes).toBeGreaterThan(1e6);
    expect(outputCheck.rows).toBe(8);
    expect(outputCheck.meanKl).toBeLessThan(0.05);
  });

  it("leaves out what is 0, and writes the whole record where it is told to", async () => {
    const file = path.join(folder(), "run.json");
    const { code, stdout } = await runCli([...SMALL, "--prompt", "0", "--numerics", "exact", "--output", file]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).results).toMatchObject([{ prompt: 0, generate: 2 }]);
    const record = JSON.parse(readFileSync(file, "utf8"));
    expect(record).toMatchObject({ numerics: "exact", warmups: 1, outputCheck: { sameArgmax: 8 } });
    expect(record.outputCheck.meanKl).toBeLessThan(1e-9);
    expect(record.model.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(record.machine.cores).toBeGreaterThan(0);
  });

  it("measures single ops", async () => {
    const { code, stdout } = await runCli(["bench", "--ops", "--repeat", "1", "--json"]);
    expect(code).toBe(0);
    const ops = JSON.parse(stdout).ops as { name: string; gflops: number | null }[];
    expect(ops.map(({ name }) => name)).toEqual(expect.arrayContaining(["matmul 1024", "add 1024"]));
  });

  it("makes a random model that opens, the same each time", async () => {
    const at = folder();
    const args = ["bench", "--synthetic", "micro", "--type", "Q8_0", "--prompt", "0", "--generate", "0"];
    const files = ["a.gguf", "b.gguf"].map((name) => path.join(at, name));
    for (const file of files)
      expect(await runCli([...args, "--model", file])).toMatchObject({ code: 0, stdout: `${file}\n` });
    expect(readFileSync(files[0]!).equals(readFileSync(files[1]!))).toBe(true);
    const { checkpoint } = await openModel(files[0]);
    expect(checkpoint.config).toMatchObject({ hiddenSize: 256, numHiddenLayers: 2, vocabSize: 512 });
    await checkpoint.close();
  });

  it.each([
    [["--prompt", "0", "--generate", "0"], /nothing to measure/],
    [["--depth", "9000000"], /--depth: 9000008 positions, but this model has \d+/],
    [["--synthetic", "lite9"], /--synthetic: want one of lite6, lite2, micro, got lite9/],
    [["--synthetic", "lite6", "--type", "Q9"], /--type: want one of F32, .*, got Q9/],
    [["--numerics", "rough"], /--numerics: want auto, exact, fast/],
    [["--output", "/nowhere/run.json"], /--output: cannot write/],
  ])("refuses %j", async (args, message) => {
    const { code, stderr } = await runCli([...SMALL, ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe("what is said of runs and logits", () => {
  it("is the median, and of an even number of runs the middle of two", () => {
    expect(spread([4, 1, 9])).toEqual({ tokensPerSecond: 4, min: 1, max: 9 });
    expect(spread([4, 1, 9, 6])).toEqual({ tokensPerSecond: 5, min: 1, max: 9 });
  });

  it("is the divergence of what was got from what is exact", () => {
    const exact = Float32Array.of(Math.log(3), 0, 0, 0);
    const got = Float32Array.of(0, 0, 0, 0);
    const { rows, meanKl, maxKl, sameArgmax } = agreement(exact, got, 2);
    expect(rows).toBe(2);
    expect(maxKl).toBeCloseTo(0.75 * Math.log(1.5) + 0.25 * Math.log(0.5), 6);
    expect(meanKl).toBeCloseTo(maxKl / 2, 6);
    expect(sameArgmax).toBe(2);
  });
});
