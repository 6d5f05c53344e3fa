import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { runCli } from "../../../test/cli/test-io.ts";
import { NO_CPU } from "../../../test/cpu-targets.ts";
import { agreement, divergences } from "../../engine/agreement.ts";
import { spread } from "../../engine/benchmark.ts";
import { openModel } from "../../node.ts";
import { vocabularyText } from "../synthetic-model.ts";

function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), "deepts-bench-"));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

async function typesOf(file: string) {
  const { checkpoint } = await openModel(file);
  const tensors = [...checkpoint.file.tensors.values()];
  const fileType = checkpoint.gguf!.values.get("general.file_type")?.value;
  await checkpoint.close();
  return { fileType, types: Object.fromEntries(tensors.map(({ name, dtype }) => [name, dtype])) };
}

const SMALL = ["bench", "--prompt", "8", "--generate", "2", "--repeat", "3", "--json"];

describe("deepts bench", () => {
  it("measures several depths, each in the order given", async () => {
    const { code, stdout, stderr } = await runCli([...SMALL, "--prompt", "0", "--depth", "40", "--depth", "7"]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).results).toMatchObject([
      { generate: 2, depth: 40 },
      { generate: 2, depth: 7 },
    ]);
  });

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
    expect(results[0]).toMatchObject({ activeBytes: null, bytesPerSecond: null });
    const { activeBytes, bytesPerSecond, tokensPerSecond } = results[1];
    expect(activeBytes).toBeGreaterThan(1e6);
    expect(bytesPerSecond).toBe(Math.round(activeBytes * tokensPerSecond));
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

  it("records what computed: backend, target and threads, numerics and cache", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const args = ["--backend", "cpu", "--threads", "2", "--generate", "0", "--repeat", "1"];
    const { stdout } = await runCli([...SMALL, ...args]);
    const record = JSON.parse(stdout);
    expect(record.backend).toEqual({ name: "cpu", device: expect.stringMatching(/^\w+, 2 threads$/), threads: 2 });
    expect(record).toMatchObject({ numerics: "fast", cacheType: "f16", batch: 512 });
    expect(record.machineSpeed.read).toBeGreaterThan(1e8);
  });

  it("compares exact numerics with themselves: one by one with the same tokens as a prompt", async () => {
    const args = ["--numerics", "exact", "--prompt", "0", "--generate", "1", "--repeat", "1"];
    const { outputCheck } = JSON.parse((await runCli([...SMALL, ...args])).stdout);
    expect(outputCheck).toMatchObject({ rows: 8, sameArgmax: 8 });
    expect(outputCheck.maxKl).toBeLessThan(1e-9);
  });

  it.each(["auto", "reference"])("measures single ops of %s, with memory", async (backend) => {
    const { code, stdout } = await runCli(["bench", "--ops", "--repeat", "1", "--json", "--backend", backend]);
    expect(code).toBe(0);
    const { ops, memory, machineSpeed } = JSON.parse(stdout);
    expect(ops.map(({ name }: { name: string }) => name)).toEqual(["create 1024", "add 1024", "matmul 1024"]);
    expect(ops[2].gflops).toBeCloseTo((2 * 1024 ** 3) / ops[2].median / 1e6, 6);
    expect(memory).toBeGreaterThan(2 ** 20);
    if (NO_CPU === null) expect(machineSpeed.flops).toBeGreaterThan(1e8);
  });

  it("says of single ops which part of the machine's peak they reach", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const { stdout } = await runCli(["bench", "--ops", "--repeat", "1", "--backend", "reference"]);
    expect(stdout).toMatch(/^matmul 1024: .* GFLOP\/s \(\d+ % of the peak\)$/m);
    expect(stdout).toMatch(/^memory: \d+\.\d MiB resident$/m);
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

  it("gives a random model DeepSeek-V3's vocabulary where it fits", async () => {
    const tokens = async (size: number) => (await vocabularyText(size)).get("tokenizer.ggml.tokens")?.value as string[];
    const full = await tokens(129280);
    expect(full).toHaveLength(129280);
    expect(full.slice(0, 3)).toEqual(["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]);
    expect((await tokens(512))[0]).toBe("[PAD0]");
  });

  it("makes a random model in the types that deepts quantize would choose", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const at = folder();
    const [model, again] = [path.join(at, "a.gguf"), path.join(at, "b.gguf")];
    const none = ["--prompt", "0", "--generate", "0"];
    const made = await runCli(["bench", "--synthetic", "micro", "--type", "q4_k_m", "--model", model, ...none]);
    expect(made.code, made.stderr).toBe(0);
    expect((await runCli(["quantize", model, again, "--type", "Q4_K_M"])).code).toBe(0);
    const types = (await typesOf(model)).types;
    expect(types).toEqual((await typesOf(again)).types);
    expect(types["blk.0.ffn_gate.weight"]).toBe("Q4_K");
    expect(types["blk.1.ffn_down_exps.weight"]).toBe("Q6_K");
    expect(types["blk.1.ffn_gate_inp.weight"]).toBe("F32");
    expect(types["blk.0.attn_k_b.weight"]).toBe("Q5_0"); // rows of 128
    expect((await typesOf(model)).fileType).toBe(15);
  });

  it.each([
    [["--prompt", "0", "--generate", "0"], /nothing to measure/],
    [["--depth", "-1"], /--depth: want an integer \(0 or more\), got "-1"/],
    [["--depth", "40", "--depth", "1.5"], /--depth: want an integer \(0 or more\), got "1.5"/],
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
    expect(divergences(exact, got, 2)).toEqual([maxKl, 0]);
  });
});
