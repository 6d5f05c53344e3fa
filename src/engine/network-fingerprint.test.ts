import { afterAll, beforeAll, expect, it } from "vitest";
import { changed, openTiny } from "../../test/tiny-network.ts";
import { openReference } from "../backends/reference/backend.ts";
import type { TensorEntry } from "../formats/tensor-file.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import { type ComputedBy, networkFingerprint } from "./network-fingerprint.ts";
import { NetworkRunner } from "./network-runner.ts";

let checkpoint: Checkpoint;
let runner: NetworkRunner;
const backend = openReference();

beforeAll(async () => {
  checkpoint = await openTiny("v3-tiny");
  runner = await NetworkRunner.load(checkpoint, backend, { pages: 1 });
});
afterAll(async () => {
  backend.close();
  await checkpoint.close();
});

function fingerprint(change: Partial<ComputedBy> = {}, file = checkpoint.file): Promise<string> {
  const { program, numerics, cache } = runner;
  return networkFingerprint(file, { program, numerics, cache, deterministic: false, modified: 1, ...change });
}

it("is the same for the same network, and 256 bits long", async () => {
  expect(await fingerprint()).toBe(await fingerprint());
  expect(await fingerprint()).toMatch(/^[0-9a-f]{64}$/);
});

it("is another one when anything is that decides what a page holds", async () => {
  const { program, cache } = runner;
  const layers = program.cache.layers.slice(1);
  const norm = program.ops.findIndex(({ kind }) => kind === "rmsNorm");
  const all = await Promise.all([
    fingerprint(),
    fingerprint({ numerics: "fast" }),
    fingerprint({ deterministic: true }),
    fingerprint({ modified: 2 }),
    fingerprint({ cache: { ...cache, pageFormat: "other" } as typeof cache }),
    fingerprint({ program: { ...program, cache: { ...program.cache, layers } } }),
    fingerprint({
      program: {
        ...program,
        ops: program.ops.map((op, i) => (i === norm ? { ...op, eps: 1 } : op)) as typeof program.ops,
      },
    }),
  ]);
  expect(new Set(all).size).toBe(all.length);
});

it("sees a tensor whose bytes, type or shape are others", async () => {
  const { file } = checkpoint;
  const all = [...file.tensors.keys()];
  const found = [await fingerprint()];
  for (const name of [all[0]!, all[all.length >> 1]!, all.at(-1)!]) {
    const entry = file.tensors.get(name)!;
    const others: Partial<TensorEntry>[] = [
      { readRange: async (...range) => (await entry.readRange(...range)).map((byte) => byte ^ 1) },
      { dtype: entry.dtype === "F16" ? "BF16" : "F16" },
      { shape: [...entry.shape, 1] },
    ];
    for (const other of others) {
      const changedFile = changed(file, (tensors) => tensors.set(name, { ...entry, ...other }));
      found.push(await fingerprint({}, changedFile));
    }
  }
  expect(new Set(found).size).toBe(10);
});
