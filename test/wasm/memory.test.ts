import { describe, expect, it } from "vitest";
import { KernelBackend } from "../../src/backends/kernels/backend.ts";
import { moduleNative } from "../../src/backends/wasm/native.ts";
import { firstPages, pagesFor } from "../../src/engine/evaluate.ts";
import { NetworkRunner } from "../../src/engine/network-runner.ts";
import { sequenceRows } from "../../src/engine/sequence-rows.ts";
import { openModel } from "../../src/node.ts";
import { ROW_GENERATED } from "../../src/tensor/backend.ts";
import { fixture } from "../shared-fixtures.ts";
import { NO_WASM, openNodeModule } from "../wasm-module.ts";

/** A module whose memory can be asked for, and the backend on it. */
async function open() {
  const module = await openNodeModule("wasm");
  const backend = new KernelBackend("wasm", await moduleNative(module, "wasm", 2));
  const buffers = async () => ({ bytes: await module.call("memory_bytes"), made: await module.call("memory_made") });
  return { module, backend, buffers };
}

const TOKENS = 40;

describe("the memory of the wasm backend", () => {
  it.for(["exact", "fast"] as const)(
    "is what was predicted, does not change while tokens are generated with %s numerics, and is given back",
    async (numerics, t) => {
      if (NO_WASM !== null) t.skip(NO_WASM);
      const { module, backend, buffers } = await open();
      const { checkpoint } = await openModel(fixture("gguf", "kquant-tiny-Q4_K_M.gguf")!);
      const options = { pages: pagesFor(TOKENS), maxLogitRows: 1, numerics };
      const predicted = await NetworkRunner.predict(checkpoint, backend, options);
      expect((await buffers()).bytes).toBe(0);
      const runner = await NetworkRunner.load(checkpoint, backend, options);
      const { weights, cache, scratch } = runner.memory;
      expect(predicted?.memory).toEqual(runner.memory);
      const before = await buffers();
      expect(before.bytes).toBe(weights + cache + scratch);
      let size = 0;
      for (let position = 0; position < TOKENS; position++) {
        const outputs = await runner.run(sequenceRows([position], position, ROW_GENERATED, firstPages(position + 1)));
        await outputs.logits!.read();
        if (position === 0) size = await module.call("memory_size");
      }
      expect(await buffers()).toEqual(before);
      expect(await module.call("memory_size")).toBe(size);
      runner.close();
      // What is closed is released by messages that are sent next.
      await new Promise(setImmediate);
      expect((await buffers()).bytes).toBe(0);
      backend.close();
      await checkpoint.close();
    },
  );
});
