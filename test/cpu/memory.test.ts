import { describe, expect, it } from "vitest";
import { loadAddon } from "../../src/backends/cpu/addon.ts";
import { openCpu } from "../../src/backends/cpu/backend.ts";
import { pagesFor } from "../../src/engine/evaluate.ts";
import { NetworkRunner, type RunnerOptions } from "../../src/engine/network-runner.ts";
import { embeddedModelPath, openModel } from "../../src/node.ts";
import type { MemoryUse } from "../../src/tensor/backend.ts";
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
});
