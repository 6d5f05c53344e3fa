import { beforeEach, describe, expect, it } from "vitest";
import { KernelBackend } from "../../src/backends/kernels/backend.ts";
import { problemOf } from "../../src/backends/wasm/backend.ts";
import { moduleNative } from "../../src/backends/wasm/native.ts";
import { firstPages, pagesFor } from "../../src/engine/evaluate.ts";
import { NetworkRunner } from "../../src/engine/network-runner.ts";
import { sequenceRows } from "../../src/engine/sequence-rows.ts";
import { openBackend, openModel } from "../../src/node.ts";
import { type Backend, ROW_PROMPT } from "../../src/tensor/backend.ts";
import { NO_WASM, openNodeModule } from "../wasm-module.ts";

const FOUR_GIB = 2 ** 32;
const problem = problemOf("wasm64");

/** The logits of some tokens of the embedded model. */
async function logits(backend: Backend): Promise<Float32Array> {
  const { checkpoint } = await openModel();
  const tokens = Int32Array.from({ length: 32 }, (_, i) => (i * 37) % checkpoint.config.vocabSize);
  const pages = pagesFor(tokens.length);
  const runner = await NetworkRunner.load(checkpoint, backend, {
    pages,
    maxLogitRows: tokens.length,
    numerics: "exact",
  });
  try {
    const outputs = await runner.run(sequenceRows(tokens, 0, ROW_PROMPT, firstPages(tokens.length)));
    return (await outputs.logits!.read()) as Float32Array;
  } finally {
    runner.close();
    await checkpoint.close();
  }
}

describe("modules with 64-bit addresses", () => {
  beforeEach((t) => {
    if (NO_WASM !== null) t.skip(NO_WASM);
    if (problem !== null) t.skip(`${problem}; test/wasm/newer-node.test.ts runs this in one that has`);
  });

  it("compute beyond 4 GiB what the reference computes", async () => {
    const module = await openNodeModule("wasm64");
    const backend = new KernelBackend("wasm", await moduleNative(module, "wasm64", 2));
    // Memory that nobody touches costs nothing; after it, what is left below is taken too.
    await module.call("memory_new", FOUR_GIB);
    while ((await module.call("memory_new", 2 ** 14)) < FOUR_GIB);
    const got = await logits(backend);
    backend.close();
    const reference = await openBackend("reference");
    const want = await logits(reference);
    reference.close();
    for (const [i, value] of want.entries()) expect(Math.abs(got[i]! - value), `logit ${i}`).toBeLessThan(1e-4);
  });

  it("give memory back in any order, as one piece", async () => {
    const module = await openNodeModule("wasm64");
    const sizes = Array.from({ length: 300 }, (_, i) => 1 + ((i * 7919) % 100_000));
    const all = () => Promise.all(sizes.map((bytes) => module.call("memory_new", bytes)));
    let grown = 0;
    for (let round = 0; round < 20; round++) {
      const blocks = await all();
      expect(blocks.every((at) => at % 64 === 0)).toBe(true);
      const byPlace = blocks.map((at, i) => [at, at + sizes[i]!] as const).sort(([a], [b]) => a - b);
      for (let i = 1; i < byPlace.length; i++) expect(byPlace[i]![0]).toBeGreaterThanOrEqual(byPlace[i - 1]![1]);
      const order = blocks.map((at, i) => [(i * (2 * round + 1)) % 301, at] as const).sort(([a], [b]) => a - b);
      await Promise.all(order.map(([, at]) => module.call("memory_release", at)));
      const whole = await module.call(
        "memory_new",
        sizes.reduce((sum, bytes) => sum + bytes),
      );
      await module.call("memory_release", whole);
      const size = await module.call("memory_size");
      if (round === 0) grown = size;
      expect(size).toBe(grown);
    }
    module.close();
  });

  it("say that memory is at an end, and go on", async () => {
    const module = await openNodeModule("wasm64");
    await expect(module.call("memory_new", 2 ** 40)).rejects.toThrow("out of memory: WebAssembly has at most 16 GiB");
    expect(await module.call("memory_new", 64)).toBeGreaterThan(0);
    module.close();
  });
});
