import { describe, expect, it } from "vitest";
import { putKey, putText, rawGguf } from "../../test/raw-gguf.ts";
import { fixture, NO_SHARED } from "../../test/shared-fixtures.ts";
import { collect, countingTensor, everyValue, tinyGguf, tinyTensors } from "../../test/tiny-files.ts";
import { ConfigError, FormatError } from "../errors.ts";
import { type ByteFolder, memoryFolder } from "./byte-source.ts";
import { openGguf } from "./gguf-reader.ts";
import type { GgufValue } from "./gguf-values.ts";
import { ggufChunks } from "./gguf-writer.ts";
import type { HeaderBuilder } from "./header-builder.ts";
import { openGgufPath } from "./open-path.ts";

const openBytes = (bytes: Uint8Array) => openGguf(memoryFolder({ "m.gguf": bytes }), "m.gguf");

describe("openGguf", () => {
  it("reads back what the writer wrote", async () => {
    const file = await openBytes(await tinyGguf());
    expect(file.version).toBe(3);
    expect([...file.metadata.values]).toEqual([...everyValue]);
    expect([...file.tensors.keys()]).toEqual(tinyTensors.map(({ name }) => name));
    for (const { name, dtype, shape, data } of tinyTensors) {
      const entry = file.tensors.get(name)!;
      expect(entry).toMatchObject({ name, dtype, shape, file: "m.gguf" });
      expect(entry.offset % 64).toBe(0);
      expect(await entry.read()).toEqual(data());
    }
  });

  it("reads version 2, which differs in the number alone", async () => {
    const bytes = await tinyGguf();
    bytes[4] = 2;
    const file = await openBytes(bytes);
    expect(file.version).toBe(2);
    expect(file.tensors.size).toBe(tinyTensors.length);
  });

  it("reads a long header piece by piece, and no weights", async () => {
    const tokens = Array.from({ length: 129_280 }, (_, i) => `Ġtoken ${i}`);
    const metadata = new Map<string, GgufValue>([["tokens", { type: "array", of: "string", value: tokens }]]);
    const chunks = ggufChunks(metadata, [
      { name: "w", dtype: "I8", shape: [2 ** 23], data: () => new Uint8Array(2 ** 23) },
    ]);
    const { folder, reads } = watched({ "m.gguf": await collect(chunks) });
    const file = await openGguf(folder, "m.gguf");
    expect(file.metadata.strings("tokens")).toEqual(tokens);
    expect(reads.length).toBeGreaterThan(1);
    expect(Math.max(...reads.map(({ end }) => end))).toBeLessThan(file.tensors.get("w")!.offset + 2 ** 22);
  });

  it("keeps a model readable whose recorded path is not UTF-8", async () => {
    const file = await openBytes(
      rawGguf({
        metadata: (h) => {
          putText(h, "path");
          h.u32(8);
          h.u64(2);
          h.bytes(Uint8Array.of(0x61, 0xff));
        },
      }),
    );
    expect(file.metadata.string("path")).toBe("a\ufffd");
  });

  it("reads the files of llama.cpp", async (t) => {
    const path = fixture("gguf", "v3-tiny-Q8_0.gguf");
    if (path === null) return t.skip(NO_SHARED);
    const file = await openGgufPath(path);
    expect(file.metadata.string("general.architecture")).toBe("deepseek2");
    expect(file.metadata.strings("tokenizer.ggml.tokens")).toHaveLength(512);
    expect(file.tensors.get("token_embd.weight")).toMatchObject({ dtype: "Q8_0", shape: [512, 64] });
    await file.close();
  });
});

describe("openGguf refuses", () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ["an empty file", new Uint8Array(0), /byte 0: .*magic/],
    ["another format", new TextEncoder().encode("PK\x03\x04 this is a zip"), /byte 0: not a GGUF file/],
    ["version 1", rawGguf({ version: 1 }), /byte 4: GGUF version 1/],
    ["version 4", rawGguf({ version: 4 }), /byte 4: GGUF version 4 is not known/],
    ["big-endian files", rawGguf({ version: 0x03000000 }), /byte 4: big-endian/],
    ["a tensor count of 2^40", rawGguf({ tensorCount: 2 ** 40 }), /byte 8: a tensor count of 1099511627776/],
    ["a count beyond 2^53", rawGguf({ tensorCount: 2n ** 63n }), /byte 8: .*beyond 2\^53/],
    ["a metadata count of 2^40", rawGguf({ metadataCount: 2 ** 40 }), /byte 16: a metadata count/],
    ["a key longer than 65535", rawGguf({ metadata: (h) => h.u64(65536) }, 70_000), /byte 24: .*longer than 65535/],
    ["a key beyond the file", rawGguf({ metadata: (h) => h.u64(1000) }), /byte 32: metadata key 0 needs 1000 bytes/],
    ["a key that is not UTF-8", rawGguf({ metadata: badKey }), /byte 32: .*not valid UTF-8/],
    [
      "an unknown value type",
      rawGguf({ metadata: (h) => putKey(h, "k", 13) }),
      /byte 33: k has the unknown value type 13/,
    ],
    ["a bool of 2", rawGguf({ metadata: (h) => putKey(h, "k", 7).u8(2) }), /byte 37: k: a bool must be 0 or 1/],
    ["a string beyond the file", rawGguf({ metadata: (h) => putKey(h, "k", 8).u64(2 ** 30) }), /longer than/],
    ["a list of 2^40 bytes", rawGguf({ metadata: (h) => list(h, 0, 2 ** 40) }), /needs 1099511627776 bytes/],
    ["a list of 2^50 strings", rawGguf({ metadata: (h) => list(h, 8, 2 ** 50) }), /needs 9007199254740992 bytes/],
    ["lists nested without end", rawGguf({ metadata: (h) => nested(h, 100) }), /nested deeper than 4/],
    ["a key that is there twice", rawGguf({ metadata: twice, metadataCount: 2 }), /metadata key k is there twice/],
    ["an alignment of 0", rawGguf({ metadata: (h) => alignment(h, 0) }), /general.alignment must be a power of two/],
    ["an alignment of 48", rawGguf({ metadata: (h) => alignment(h, 48) }), /general.alignment must be a power of two/],
    [
      "an unknown ggml type",
      rawGguf({ tensors: [{ type: 99 }] }),
      /byte 4[0-9]: tensor t0 has the unknown ggml type 99/,
    ],
    ["a removed ggml type", rawGguf({ tensors: [{ type: 4 }] }), /unknown ggml type 4/],
    ["five dimensions", rawGguf({ tensors: [{ shape: [1, 1, 1, 1, 1] }] }), /has 5 dimensions/],
    ["2^31 dimensions", rawGguf({ tensors: [{ dimensions: 2 ** 31 }] }), /has 2147483648 dimensions/],
    ["sizes whose product wraps", rawGguf({ tensors: [{ shape: [2 ** 32, 2 ** 32] }] }), /too many elements/],
    ["half a block", rawGguf({ tensors: [{ shape: [33], type: 8 }] }), /not whole Q8_0 blocks of 32/],
    ["a name of 129 bytes", rawGguf({ tensors: [{ name: "n".repeat(129) }] }), /longer than 128/],
    ["two tensors of one name", rawGguf({ tensors: [{}, { name: "t0", offset: 32 }] }), /tensor t0 is there twice/],
    ["an unaligned offset", rawGguf({ tensors: [{ offset: 4 }] }), /offset 4 is not a multiple of the alignment 32/],
    ["an offset beyond the file", rawGguf({ tensors: [{ offset: 2 ** 40 }] }), /do not fit into the file/],
    ["a tensor longer than the file", rawGguf({ tensors: [{ shape: [2 ** 20] }] }), /do not fit into the file/],
    ["tensors that overlap", rawGguf({ tensors: [{}, {}] }), /tensors t0 and t1 overlap/],
  ];
  it.each(cases)("%s", async (_, bytes, message) => {
    const error = await openBytes(bytes).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as FormatError).message).toMatch(message);
    expect((error as FormatError).file).toBe("m.gguf");
  });

  it("every truncation of a good file", async () => {
    const bytes = await tinyGguf();
    const file = await openBytes(bytes);
    const end = Math.max(...[...file.tensors.values()].map(({ offset, byteLength }) => offset + byteLength));
    for (let length = 0; length < end; length++) {
      await expect(openBytes(bytes.subarray(0, length)), `${length} bytes`).rejects.toThrow(FormatError);
    }
    await openBytes(bytes.subarray(0, end));
  });
});

describe("a split GGUF", () => {
  const names = ["m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"] as const;

  async function parts(edit: { no?: number[]; counts?: number[]; total?: number; names?: string[] } = {}) {
    const files: Record<string, Uint8Array> = {};
    for (const [i, name] of names.entries()) {
      const metadata = new Map<string, GgufValue>([
        ["split.no", { type: "u16", value: edit.no?.[i] ?? i }],
        ["split.count", { type: "u16", value: edit.counts?.[i] ?? 3 }],
        ["split.tensors.count", { type: "i32", value: edit.total ?? 3 }],
        ["part", { type: "u32", value: i }],
      ]);
      const tensor = countingTensor(edit.names?.[i] ?? `t${i}`, "I8", [8], 8, 10 * i);
      files[name] = await collect(ggufChunks(metadata, [tensor]));
    }
    return files;
  }

  it("opens from its first part, with that part's metadata", async () => {
    const file = await openGguf(memoryFolder(await parts()), names[0]);
    expect(file.metadata.number("part")).toBe(0);
    expect([...file.tensors.keys()]).toEqual(["t0", "t1", "t2"]);
    expect((await file.tensors.get("t2")!.read())[0]).toBe(20);
    expect(file.tensors.get("t2")!.file).toBe(names[2]);
  });

  it.each<[string, () => Promise<Record<string, Uint8Array>>, string, RegExp]>([
    ["another part than the first", () => parts(), names[1], /part 2 of 3; open the first, m-00001-of-00003.gguf/],
    ["a missing part", async () => omit(await parts(), names[1]), names[0], /^m-00002-of-00003.gguf.*not in memory/],
    ["a renamed part", async () => ({ "m.gguf": (await parts())[names[0]]! }), "m.gguf", /ends in -00001-of-00003/],
    ["parts in the wrong order", () => parts({ no: [0, 2, 1] }), names[0], /has split.no 2 of 3, want 1 of 3/],
    ["a part of another model", () => parts({ counts: [3, 3, 4] }), names[0], /^m-00003.* has split.no 2 of 4/],
    ["a tensor in two parts", () => parts({ names: ["a", "b", "a"] }), names[0], /tensor a is in m-00001.* too/],
  ])("is refused: %s", async (_, files, name, message) => {
    const opening = openGguf(memoryFolder(await files()), name);
    await expect(opening).rejects.toThrow(FormatError);
    await expect(opening).rejects.toThrow(message);
  });

  it("is refused when tensors are missing altogether", async () => {
    const opening = openGguf(memoryFolder(await parts({ total: 4 })), names[0]);
    await expect(opening).rejects.toThrow(ConfigError);
    await expect(opening).rejects.toThrow("split.tensors.count: is 4, but the parts have 3");
  });

  it("closes every part when it is refused", async () => {
    const { folder, open } = watched(await parts({ no: [0, 1, 7] }));
    await expect(openGguf(folder, names[0])).rejects.toThrow(FormatError);
    expect(open.size).toBe(0);
  });
});

/** A folder that records which files are open and what is read. */
function watched(files: Record<string, Uint8Array>) {
  const open = new Set<string>();
  const reads: { end: number }[] = [];
  const inner = memoryFolder(files);
  const folder: ByteFolder = {
    ...inner,
    async open(name) {
      const source = await inner.open(name);
      open.add(name);
      return {
        ...source,
        read(offset, length) {
          reads.push({ end: offset + length });
          return source.read(offset, length);
        },
        async close() {
          open.delete(name);
        },
      };
    },
  };
  return { folder, open, reads };
}

function list(h: HeaderBuilder, of: number, count: number): void {
  putKey(h, "k", 9).u32(of);
  h.u64(count);
}

function nested(h: HeaderBuilder, depth: number): void {
  putKey(h, "k", 9);
  for (let i = 0; i < depth; i++) {
    h.u32(9);
    h.u64(1);
  }
}

function alignment(h: HeaderBuilder, bytes: number): void {
  putKey(h, "general.alignment", 4).u32(bytes);
}

function badKey(h: HeaderBuilder): void {
  h.u64(1);
  h.bytes(Uint8Array.of(0xff));
}

function twice(h: HeaderBuilder): void {
  for (let i = 0; i < 2; i++) putKey(h, "k", 0).u8(1);
}

function omit(files: Record<string, Uint8Array>, name: string): Record<string, Uint8Array> {
  return Object.fromEntries(Object.entries(files).filter(([key]) => key !== name));
}
