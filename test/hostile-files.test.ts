import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { ConfigError, FormatError } from "../src/errors.ts";
import { type ByteSource, memoryFolder } from "../src/formats/byte-source.ts";
import { openGguf } from "../src/formats/gguf-reader.ts";
import type { HeaderBuilder } from "../src/formats/header-builder.ts";
import { openSafetensors } from "../src/formats/safetensors-reader.ts";
import { isWeightType, type TensorFile } from "../src/formats/tensor-file.ts";
import { decodeBlocks } from "../src/tensor/decode/decode.ts";
import { Mutator } from "./mutator.ts";
import { putKey, rawGguf } from "./raw-gguf.ts";
import { fixture, NO_SHARED } from "./shared-fixtures.ts";
import { tinyGguf, tinySafetensors } from "./tiny-files.ts";

/** The files here are below 1 MB, so nothing they say may cost more memory than this. */
const MAX_GROWTH = 32 * 2 ** 20;

type Files = Readonly<Record<string, Uint8Array>>;

/**
 * Opens a model and reads and decodes every weight.
 * @returns null, or the error that is right for hostile bytes; any other is thrown
 */
async function attempt(files: Files, open: (files: Files) => Promise<TensorFile>): Promise<Error | null> {
  const before = memoryInUse();
  const refusal = await open(files).then(readAll).catch(refusalOf);
  expect(memoryInUse() - before).toBeLessThan(MAX_GROWTH);
  if (refusal instanceof FormatError) {
    // An index may name a shard that is not there: the error is then about byte 0 of that one.
    const size = Object.hasOwn(files, refusal.file) ? files[refusal.file]!.length : 0;
    expect(refusal.offset).toBeGreaterThanOrEqual(0);
    expect(refusal.offset).toBeLessThanOrEqual(size);
  }
  return refusal;
}

async function readAll(file: TensorFile): Promise<null> {
  for (const { dtype, shape, byteLength, read } of file.tensors.values()) {
    const bytes = await read();
    expect(bytes.length).toBe(byteLength);
    const elements = shape.reduce((product, length) => product * length, 1);
    if (isWeightType(dtype)) decodeBlocks(dtype, bytes, new Float32Array(elements));
  }
  await file.close();
  return null;
}

function refusalOf(error: unknown): Error {
  if (error instanceof FormatError || error instanceof ConfigError) return error;
  throw error;
}

function memoryInUse(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const asGguf = (files: Files) => openGguf(memoryFolder(files), Object.keys(files)[0]!);
const asSafetensors = (files: Files) => openSafetensors(memoryFolder(files), Object.keys(files)[0]!);
const asCheckpoint = (files: Files) => openSafetensors(memoryFolder(files));

describe("sizes that broke other readers are refused at once", () => {
  const list = (of: number, count: number | bigint) => (h: HeaderBuilder) => {
    putKey(h, "k", 9).u32(of);
    h.u64(count);
  };
  it.each<[string, Uint8Array]>([
    ["CVE-2024-23605: metadata count times entry size wraps", rawGguf({ metadataCount: 2n ** 60n + 1n })],
    ["CVE-2024-21802: more dimensions than a tensor has room for", rawGguf({ tensors: [{ dimensions: 2 ** 32 - 1 }] })],
    ["CVE-2024-21802: tensor count times entry size wraps", rawGguf({ tensorCount: 2n ** 59n + 1n })],
    ["CVE-2025-53630: tensor sizes whose sum wraps", rawGguf({ tensors: wrapping })],
    ["a product of dimensions that wraps to 4", rawGguf({ tensors: [{ shape: [2 ** 33, 2 ** 31 + 1, 4] }] })],
    ["a list whose length times item size wraps", rawGguf({ metadata: list(10, 2n ** 61n + 1n) })],
    ["a list of 2^40 strings", rawGguf({ metadata: list(8, 2 ** 40) })],
    ["a list of 2^40 lists", rawGguf({ metadata: list(9, 2 ** 40) })],
    ["lists in lists in lists", rawGguf({ metadata: (h) => putLists(h, 10_000) })],
    ["a string of 2^40 bytes", rawGguf({ metadata: (h) => putKey(h, "k", 8).u64(2 ** 40) })],
    ["a tensor at 2^52", rawGguf({ tensors: [{ offset: 2 ** 52 }] })],
  ])("%s", async (_, bytes) => {
    expect(await attempt({ "m.gguf": bytes }, asGguf)).toBeInstanceOf(FormatError);
  });

  it.each<[string, (h: HeaderBuilder) => void, RegExp]>([
    ["2^23 lists, each of which would be an object", list(9, 2 ** 23), /has more than 4194304 items/],
    ["a list of 2^30 bytes", list(0, 2 ** 30), /the header is longer than 268435456 bytes/],
  ])("%s are refused before they are read, though the file is large enough", async (_, metadata, message) => {
    const header = rawGguf({ metadata });
    let most = 0;
    const source: ByteSource = {
      name: "m.gguf",
      size: 2 ** 40,
      async read(_offset, length) {
        most = Math.max(most, length);
        const bytes = new Uint8Array(length);
        bytes.set(header);
        return bytes;
      },
      async close() {},
    };
    const opening = openGguf({ ...memoryFolder({}), open: async () => source }, "m.gguf");
    await expect(opening).rejects.toThrow(FormatError);
    await expect(opening).rejects.toThrow(message);
    expect(most).toBeLessThanOrEqual(2 ** 20);
  });
});

describe("metadata of another type than expected", () => {
  it("is a ConfigError that names the key", async () => {
    const file = await asGguf({ "m.gguf": rawGguf({ metadata: (h) => putKey(h, "general.architecture", 4).u32(7) }) });
    expect(() => file.metadata.string("general.architecture")).toThrow(ConfigError);
    expect(() => file.metadata.string("general.architecture")).toThrow("general.architecture: must be a string");
  });
});

describe("mutated files either load or are refused with file and offset", () => {
  it("4000 mutations of a GGUF file", async () => {
    await mutate(4000, { "m.gguf": await tinyGguf() }, asGguf);
  });

  it("1500 mutations of a split GGUF file", async () => {
    const part = (no: number, tensors: { name: string }[]) =>
      rawGguf({
        metadataCount: 3,
        metadata(h) {
          putKey(h, "split.no", 2).u16(no);
          putKey(h, "split.count", 2).u16(2);
          putKey(h, "split.tensors.count", 5).u32(2);
        },
        tensors,
      });
    const files = {
      "m-00001-of-00002.gguf": part(0, [{ name: "a" }]),
      "m-00002-of-00002.gguf": part(1, [{ name: "b" }]),
    };
    await mutate(1500, files, asGguf);
  });

  it("4000 mutations of a safetensors file", async () => {
    await mutate(4000, { "m.safetensors": await tinySafetensors() }, asSafetensors);
  });

  it("1500 mutations of a sharded checkpoint", async () => {
    const index = { metadata: { total_size: 110 }, weight_map: { ids: "1.safetensors", scalar: "1.safetensors" } };
    const files = {
      "model.safetensors.index.json": new TextEncoder().encode(JSON.stringify(index)),
      "1.safetensors": await tinySafetensors(),
    };
    await mutate(1500, files, asCheckpoint);
  });

  it("800 mutations of the header that llama.cpp wrote for v3-tiny", async (t) => {
    const path = fixture("gguf", "v3-tiny-Q4_0.gguf");
    if (path === null) return t.skip(NO_SHARED);
    const bytes = new Uint8Array(await readFile(path));
    const header = Math.min(...[...(await asGguf({ "m.gguf": bytes })).tensors.values()].map(({ offset }) => offset));
    await mutate(800, { "m.gguf": bytes }, asGguf, header);
  });

  it("400 mutations of the header that transformers wrote for v3-tiny", async (t) => {
    const path = fixture("v3-tiny", "model.safetensors");
    if (path === null) return t.skip(NO_SHARED);
    const bytes = new Uint8Array(await readFile(path));
    const header = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    await mutate(400, { "m.safetensors": bytes }, asSafetensors, header);
  });
});

/** Changes one of the files in its first `region` bytes, `count` times from the original. */
async function mutate(count: number, files: Files, open: (files: Files) => Promise<TensorFile>, region = Infinity) {
  const names = Object.keys(files);
  const outcomes = { loaded: 0, refused: 0 };
  expect(await attempt(files, open)).toBeNull();
  for (let seed = 0; seed < count; seed++) {
    const name = names[seed % names.length]!;
    const mutated = new Mutator(seed).mutate(files[name]!, region);
    try {
      const refusal = await attempt({ ...files, [name]: mutated }, open);
      outcomes[refusal === null ? "loaded" : "refused"]++;
    } catch (cause) {
      throw new Error(`seed ${seed}, file ${name}: ${String(cause)}`, { cause });
    }
  }
  // Mutations that never matter, or always break the file at its first byte, would test nothing.
  expect(Math.min(outcomes.loaded, outcomes.refused)).toBeGreaterThan(count / 50);
}

const wrapping = Array.from({ length: 5 }, (_, i) => ({ shape: [2 ** 50], offset: i * 2 ** 52 - (i === 4 ? 32 : 0) }));

function putLists(h: HeaderBuilder, depth: number): void {
  putKey(h, "k", 9);
  for (let i = 0; i < depth; i++) {
    h.u32(9);
    h.u64(1);
  }
}
