import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { runCli } from "../../../test/cli/test-io.ts";
import { fixture, NO_SHARED } from "../../../test/shared-fixtures.ts";
import { NetworkRunner } from "../../engine/network-runner.ts";
import { openBackend, openModel } from "../../node.ts";

const model = fixture("v3-tiny")!;

async function inspectJson(place: string, ...args: string[]) {
  const { code, stdout, stderr } = await runCli(["inspect", place, "--json", "--backend", "reference", ...args]);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
}

function newFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "deepts-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe("deepts inspect", () => {
  it("shows hyperparameters, types and tensors of a directory", async () => {
    const report = await inspectJson(model);
    expect(report).toMatchObject({
      name: "v3-tiny",
      format: "safetensors",
      config: { modelType: "deepseek_v3", hiddenSize: 64, attention: { kind: "mla", kvLoraRank: 32 } },
      types: { F32: { tensors: 4, bytes: 256 }, BF16: { tensors: 265 } },
      notes: [],
    });
    expect(report.tensors).toHaveLength(269);
    expect(report.tensors).toContainEqual(
      expect.objectContaining({ name: "model.embed_tokens.weight", dtype: "BF16", shape: [512, 64], bytes: 65536 }),
    );
  });

  it("shows a GGUF, with all parts of a split one", async (test) => {
    const gguf = await inspectJson(fixture("gguf", "v3-tiny-Q8_0.gguf")!);
    expect(gguf).toMatchObject({ name: "v3-tiny-Q8_0", format: "gguf", config: { modelType: "deepseek2" } });
    expect(gguf.types.Q8_0.tensors).toBeGreaterThan(10);
    const split = fixture("gguf", "v3-tiny-split-Q8_0-00001-of-00003.gguf") ?? test.skip(NO_SHARED);
    const parts = await inspectJson(split);
    expect(parts.name).toBe("v3-tiny-split-Q8_0");
    expect(parts.tensors).toHaveLength(gguf.tensors.length);
    expect(new Set(parts.tensors.map(({ file }: { file: string }) => file)).size).toBe(3);
  });

  it("tells the memory that the reference backend then takes", async () => {
    const { memory, parameters } = await inspectJson(model, "--ctx-size", "320", "--parallel", "1");
    const { checkpoint } = await openModel(model);
    const backend = await openBackend("reference");
    const runner = await NetworkRunner.load(checkpoint, backend, { pages: 10, maxLogitRows: 1 });
    expect(memory.loaded).toMatchObject({
      backend: "reference",
      numerics: "exact",
      cacheType: "f32",
      contextSize: 320,
    });
    expect(memory.loaded).toMatchObject(runner.memory);
    expect(memory.loaded.process).toBe(runner.memory.weights + runner.memory.cache + runner.memory.scratch);
    expect(memory.cachePerToken * 320).toBe(runner.memory.cache);
    expect(memory.cachePerTokenByType.f32).toBe(memory.cachePerToken);
    expect(memory.cachePerTokenByType.f16 * 2).toBe(memory.cachePerToken);
    expect(memory.cacheFullContext).toBe(memory.cachePerToken * 2560);
    expect(memory.weightsInFile).toBe([...checkpoint.file.tensors.values()].reduce((sum, t) => sum + t.byteLength, 0));
    expect(parameters.network * 4).toBe(runner.memory.weights);
    expect(parameters.mtp).toBeGreaterThan(0);
    backend.close();
    await checkpoint.close();
  });

  it("says so where a backend from outside cannot tell what it takes", async () => {
    const outside = fileURLToPath(new URL("../../../examples/timing-backend.mjs", import.meta.url));
    const { memory } = await inspectJson(model, "--backend", outside);
    expect(memory.loaded).toBeNull();
    const { stdout } = await runCli(["inspect", model, "--backend", outside]);
    expect(stdout).toMatch(/\nmemory when loaded: this backend cannot tell\n/);
  });

  it("refuses a context that the model was not made for, and numerics that the backend has not", async () => {
    const long = await runCli(["inspect", model, "--backend", "reference", "--ctx-size", "99999999"]);
    expect([long.code, long.stdout]).toEqual([2, ""]);
    expect(long.stderr).toMatch(/--ctx-size.*the model's own limit/);
    const fast = await runCli(["inspect", model, "--backend", "reference", "--numerics", "fast"]);
    expect([fast.code, fast.stdout]).toEqual([4, ""]);
  });

  it("prints sections for people", async () => {
    const { stdout } = await runCli(["inspect", model, "--backend", "reference"]);
    expect(stdout).toMatch(/^v3-tiny \(safetensors, .*\)\n\nhyperparameters\n {2}modelType +deepseek_v3\n/);
    expect(stdout).toMatch(/\n {2}attention\.kvLoraRank +32\n/);
    expect(stdout).toMatch(
      /\n {2}cache of a full context .*\n\nmemory when loaded \(reference: .*; exact numerics\)\n {2}weights /,
    );
    expect(stdout).toMatch(/\n {2}cache per token +960 B \(f32\), 480 B \(f16\), 330 B \(q8_0\)\n/);
    expect(stdout).toMatch(/\ntensors \(269\)\n[\s\S]*\n {2}lm_head\.weight +BF16 \[512, 64\] 64\.0 KiB\n/);
  });

  it("reads no weights: a file of 32 GiB that is all hole is shown at once", async () => {
    const folder = newFolder();
    const config = JSON.parse(readFileSync(path.join(model, "config.json"), "utf8"));
    const vocabulary = 2 ** 27;
    writeFileSync(path.join(folder, "config.json"), JSON.stringify({ ...config, vocab_size: vocabulary }));
    const small = readFileSync(path.join(model, "model.safetensors"));
    const header = JSON.parse(small.subarray(8, 8 + Number(small.readBigUInt64LE())).toString());
    let end = 0;
    for (const [name, entry] of Object.entries<{ shape: number[]; dtype: string; data_offsets: number[] }>(header)) {
      if (name === "__metadata__") continue;
      if (entry.shape[0] === 512 && /embed|head/.test(name)) entry.shape[0] = vocabulary;
      const start = end;
      end += entry.shape.reduce((a, b) => a * b, entry.dtype === "F32" ? 4 : 2);
      entry.data_offsets = [start, end];
    }
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    const file = path.join(folder, "model.safetensors");
    writeFileSync(file, Buffer.concat([length, text]));
    truncateSync(file, 8 + text.length + end);
    const { memory } = await inspectJson(folder);
    expect(memory.weightsInFile).toBe(end);
    expect(end).toBeGreaterThan(32 * 2 ** 30);
  });

  it("names the file and the byte that is wrong", async () => {
    const file = path.join(newFolder(), "bad.gguf");
    writeFileSync(file, "GGUFxxxx");
    const { code, stdout, stderr } = await runCli(["inspect", file]);
    expect([code, stdout]).toEqual([3, ""]);
    expect(stderr).toBe(`deepts: ${file}: byte 4: GGUF version 2021161080 is not known; versions 2 and 3 are read\n`);
  });

  it("takes the model of DEEPTS_MODEL where none is named", async () => {
    const { stdout } = await runCli(["inspect", "--json", "--backend", "reference"], { env: { DEEPTS_MODEL: model } });
    expect(JSON.parse(stdout).name).toBe("v3-tiny");
  });
});
