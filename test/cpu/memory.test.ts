import { execFile } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { loadAddon } from "../../src/backends/cpu/addon.ts";
import { openCpu } from "../../src/backends/cpu/backend.ts";
import { syntheticMetadata, syntheticTensors } from "../../src/convert/synthetic.ts";
import { firstPages, pagesFor } from "../../src/engine/evaluate.ts";
import { NetworkRunner, type RunnerOptions } from "../../src/engine/network-runner.ts";
import { sequenceRows } from "../../src/engine/sequence-rows.ts";
import { saveFile } from "../../src/formats/file-sink.ts";
import { ggufChunks } from "../../src/formats/gguf-writer.ts";
import { embeddedModelPath, loadModel, openModel } from "../../src/node.ts";
import { type MemoryUse, ROW_GENERATED } from "../../src/tensor/backend.ts";
import { rowBytes } from "../../src/tensor/dtype.ts";
import type { ProgramWeight } from "../../src/tensor/program.ts";
import { runCli } from "../cli/test-io.ts";
import { NO_CPU } from "../cpu-targets.ts";
import { fixture } from "../shared-fixtures.ts";

const models = {
  "the embedded model": embeddedModelPath(),
  "a directory with FP8": fixture("v3-fp8")!,
  "a Q8_0 file": fixture("gguf", "v3-tiny-Q8_0.gguf")!,
  "a Q4_K_M file": fixture("gguf", "kquant-tiny-Q4_K_M.gguf")!,
};
const CONTEXT = 64;

const inspectMemory = async (model: string, ...args: string[]) => {
  const room = ["--ctx-size", String(CONTEXT), "--parallel", "1", "--threads", "2"];
  const { code, stdout, stderr } = await runCli(["inspect", model, "--json", "--backend", "cpu", ...room, ...args]);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout).memory.loaded;
};

/** As `deepts serve` would load it. */
async function load(model: string, options: Pick<RunnerOptions, "numerics" | "cacheType">) {
  const { checkpoint } = await openModel(model);
  const backend = openCpu({ threads: 2 });
  const runner = await NetworkRunner.load(checkpoint, backend, {
    pages: pagesFor(CONTEXT),
    maxLogitRows: 1,
    ...options,
  });
  const close = async () => {
    backend.close();
    await checkpoint.close();
  };
  return { runner, close };
}

const own = ({ weights, cache, scratch }: MemoryUse) => weights + cache + scratch;

describe("deepts inspect, of the cpu backend", () => {
  const variants = [
    { numerics: "auto", cacheType: "auto" },
    { numerics: "exact", cacheType: "f32" },
    { numerics: "fast", cacheType: "q8_0" },
  ] as const;
  const cases = Object.entries(models).flatMap(([name, model]) => variants.map((v) => ({ name, model, ...v })));
  it.for(cases)("tells the bytes that $name then takes with numerics $numerics", async ({ model, ...options }, t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const { numerics, cacheType } = options;
    const { buffers } = loadAddon();
    const before = buffers().bytes;
    const predicted = await inspectMemory(model, "--numerics", numerics, "--cache-type", cacheType);
    expect(buffers().bytes).toBe(before);
    const { runner, close } = await load(model, { numerics, cacheType });
    expect(predicted).toMatchObject({ backend: "cpu", numerics: runner.numerics, ...runner.memory });
    // What the buffers themselves count, apart from what their owners say.
    expect(buffers().bytes - before).toBe(own(runner.memory));
    await close();
    expect(buffers().bytes).toBe(before);
  });

  it("counts every matrix that is read where it lies in the file, kv_b also where it is packed", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    for (const numerics of ["exact", "fast"] as const) {
      const { runner, close } = await load(models["a Q8_0 file"], { numerics });
      const stays = ({ source, uses }: ProgramWeight) =>
        uses.has("heads") ||
        ((uses.has("linear") || uses.has("expert")) && (numerics === "exact" || source.dtype === "F32"));
      const segments = [...runner.program.weights.values()].filter(stays).flatMap(({ source }) => source.segments);
      const bytes = segments.reduce((sum, { byteLength }) => sum + byteLength, 0);
      expect(runner.memory.mapped, numerics).toBe(bytes);
      await close();
    }
  });

  it("tells within 5 % by how much the process grows on a large model", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const model =
      process.env.DEEPTS_LARGE_MODEL ?? t.skip("no large model: DEEPTS_LARGE_MODEL names one, such as lite6");
    for (const numerics of ["fast", "exact"]) {
      const predicted = await inspectMemory(model, "--numerics", numerics, "--ctx-size", "1024");
      const { growth, unchosenBytes } = await runAlone("model-growth.ts", model, numerics, "1024");
      expect(growth / (predicted.process - unchosenBytes), numerics).toBeGreaterThan(0.95);
      // Memory comes in pages larger than an expert: one that nobody chose may have some with its neighbours.
      expect(growth / predicted.process, numerics).toBeLessThan(1.05);
    }
  }, 600_000);
});

/** One step of one generated row. */
async function generateRow(runner: NetworkRunner, position: number): Promise<void> {
  const outputs = await runner.run(sequenceRows([position % 64], position, ROW_GENERATED, firstPages(position + 1)));
  await outputs.logits!.read();
}

describe("the memory of the cpu backend", () => {
  it.for(["exact", "fast"] as const)(
    "does not change while tokens are generated with %s numerics",
    async (numerics, t) => {
      if (NO_CPU !== null) t.skip(NO_CPU);
      const { engine, close } = await loadModel(models["a Q8_0 file"], {
        backend: "cpu",
        threads: 2,
        numerics,
        parallel: 1,
      });
      const { buffers } = loadAddon();
      const before = buffers();
      const request = { prompt: [1, 2, 3], maxTokens: 40, ignoreEndTokens: true, sampling: { temperature: 0 } };
      let tokens = 0;
      for await (const { type } of engine.generate(request)) if (type === "token") tokens++;
      expect(tokens).toBe(40);
      expect(buffers()).toEqual(before);
      await close();
    },
  );

  it.for(["exact", "fast"] as const)(
    "is given back: fifty rounds of loading with %s numerics do not grow the process",
    async (numerics, t) => {
      if (NO_CPU !== null) t.skip(NO_CPU);
      const model = path.join(newFolder(), "micro.gguf");
      const tensors = await syntheticTensors("micro", "Q8_0", 1, null);
      await saveFile(model, ggufChunks(syntheticMetadata("micro", "Q8_0"), tensors));
      const { buffers } = loadAddon();
      const start = buffers().bytes;
      const round = async () => {
        const { runner, close } = await load(model, { numerics });
        await generateRow(runner, 0);
        const held = own(runner.memory);
        await close();
        expect(buffers().bytes).toBe(start);
        return held;
      };
      for (let i = 0; i < 10; i++) await round();
      const before = process.memoryUsage.rss();
      let held = 0;
      for (let i = 0; i < 50; i++) held += await round();
      // All rounds together held many times that.
      const allowed = 32 << 20;
      expect(held).toBeGreaterThan(8 * allowed);
      expect(process.memoryUsage.rss() - before).toBeLessThan(allowed);
    },
  );

  it("stays below 1.1 times its final size while weights are packed", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    if (process.platform !== "linux") t.skip("only Linux tells the largest size of a process");
    const { loaded, growth, peak } = await runAlone("load-peak.ts");
    expect(growth).toBeGreaterThan(0.98 * loaded);
    expect(peak).toBeLessThan(1.1 * growth);
  });

  it("is not read past the end of a file that becomes shorter: the step fails and says why", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const model = path.join(newFolder(), "model.gguf");
    copyFileSync(models["a Q8_0 file"], model);
    const whole = readFileSync(model);
    const { runner, close } = await load(model, { numerics: "exact" });
    await generateRow(runner, 0);
    truncateSync(model, whole.length - 1);
    await expect(generateRow(runner, 1)).rejects.toThrow(
      `${model} has become shorter while it was in use; put the whole`,
    );
    writeFileSync(model, whole);
    await generateRow(runner, 1);
    // Whoever replaces the file leaves the one in use as it was.
    rmSync(model);
    writeFileSync(model, "another");
    await generateRow(runner, 2);
    await close();
  });

  it("does not pack an expert whose rows are gone, and packs it when they are back", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const model = path.join(newFolder(), "experts-last.gguf");
    const tensors = await syntheticTensors("micro", "Q8_0", 1, null);
    const experts = tensors.filter(({ name }) => name.includes("_exps"));
    const others = tensors.filter((tensor) => !experts.includes(tensor));
    await saveFile(model, ggufChunks(syntheticMetadata("micro", "Q8_0"), [...others, ...experts]));
    const elements = experts.map(({ shape }) => shape.reduce((product, length) => product * length, 1));
    const expertBytes = elements.reduce((sum, count) => sum + rowBytes("Q8_0", count), 0);
    const { runner, close } = await load(model, { numerics: "fast" });
    // Nobody finds by its name that the file in use has become shorter.
    const file = openSync(model, "r+");
    onTestFinished(() => closeSync(file));
    const whole = readFileSync(model);
    rmSync(model);
    ftruncateSync(file, whole.length - expertBytes);
    await expect(generateRow(runner, 0)).rejects.toThrow(`${model} has become shorter while it was in use`);
    writeSync(file, whole, 0, whole.length, 0);
    await generateRow(runner, 0);
    await close();
  });

  it("refuses to pack weights whose file has become shorter", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const file = path.join(newFolder(), "weights");
    const [rows, cols] = [4096, 2048];
    const bytes = (rows * cols * 34) / 32;
    writeFileSync(file, new Uint8Array(bytes));
    const { Pool, Weight } = loadAddon();
    const pool = new Pool(2, null);
    const weight = new Weight(pool, "Q8_0", rows, cols, 0, false);
    expect(weight.map(file, [0])).toBe(true);
    truncateSync(file, bytes / 2);
    await expect(weight.pack(1, false, false)).rejects.toThrow(/weights has become shorter while it was in use/);
    weight.close();
    pool.close();
  });
});

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "deepts-memory-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Runs a file beside this one in a process of its own. @returns what it says */
async function runAlone(file: string, ...args: string[]) {
  const loader = new URL("../typescript-loader.mjs", import.meta.url).href;
  const program = fileURLToPath(new URL(file, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", loader, program, ...args]);
  return JSON.parse(stdout);
}
