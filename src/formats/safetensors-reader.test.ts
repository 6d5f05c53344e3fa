import { describe, expect, it } from "vitest";
import { fixture, NO_SHARED } from "../../test/shared-fixtures.ts";
import { collect, countingTensor, tinySafetensors } from "../../test/tiny-files.ts";
import { FormatError } from "../errors.ts";
import { memoryFolder } from "./byte-source.ts";
import { openSafetensorsPath } from "./open-path.ts";
import { openSafetensors } from "./safetensors-reader.ts";
import { safetensorsChunks } from "./safetensors-writer.ts";

const openBytes = (bytes: Uint8Array) => openSafetensors(memoryFolder({ "m.safetensors": bytes }), "m.safetensors");

describe("openSafetensors", () => {
  it("reads back what the writer wrote", async () => {
    const file = await openBytes(await tinySafetensors());
    expect([...file.metadata]).toEqual([
      ["format", "pt"],
      ["note", "é"],
    ]);
    const entry = file.tensors.get("model.layers.0.q_proj.weight")!;
    expect(entry).toMatchObject({ dtype: "F8_E4M3", shape: [3, 5], byteLength: 15, file: "m.safetensors" });
    expect([...(await entry.read())]).toEqual(Array.from({ length: 15 }, (_, i) => 56 + i));
    expect(file.tensors.get("ids")).toMatchObject({ dtype: "I64", shape: [2] });
    expect(file.tensors.get("scalar")).toMatchObject({ dtype: "F16", shape: [], byteLength: 2 });
    expect(file.tensors.get("nibbles")).toMatchObject({ dtype: "F4", shape: [2, 3], byteLength: 3 });
    for (const { dtype, offset } of file.tensors.values()) if (dtype === "F32") expect(offset % 4).toBe(0);
  });

  it("takes the last of two equal keys, as the safetensors crate does", async () => {
    const one = '"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}';
    const two = '"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}';
    expect((await openBytes(raw(`{${one},${two}}`, 2))).tensors.get("a")!.shape).toEqual([2]);
    await expect(openBytes(raw(`{${two},${one}}`, 2))).rejects.toThrow("1 bytes after the last tensor");
  });

  it("holds a tensor named like an object's prototype", async () => {
    const bytes = await collect(safetensorsChunks([countingTensor("__proto__", "U8", [1], 1, 7)]));
    expect([...(await (await openBytes(bytes)).tensors.get("__proto__")!.read())]).toEqual([7]);
  });

  it("reads a header padded with spaces and null metadata", async () => {
    expect((await openBytes(raw('{"__metadata__":null}    \n', 0))).tensors.size).toBe(0);
  });
});

describe("openSafetensors refuses", () => {
  const tensor = (fields: string) => `{"a":{${fields}}}`;
  const good = '"dtype":"U8","shape":[4],"data_offsets":[0,4]';
  const cases: [string, Uint8Array, RegExp][] = [
    ["an empty file", new Uint8Array(0), /byte 0: 8 bytes wanted/],
    ["a header of 2^40 bytes", raw("{}", 0, 2 ** 40), /byte 0: header length 1099511627776/],
    ["a header of 2^64 - 1 bytes", raw("{}", 0, 2n ** 64n - 1n), /byte 0: header length/],
    ["a header longer than the file", raw("{}", 0, 3), /byte 0: header length 3 is more than 2/],
    ["a header that is a list", raw("[]", 0), /byte 8: .*does not start with \{/],
    ["broken JSON", raw('{"a":', 0), /byte 8: .*not valid JSON/],
    ["bytes that are not UTF-8", raw('{"\xff":1}', 0), /byte 8: .*not valid/],
    ["JSON nested without end", raw(`{"a":${"[".repeat(100_000)}`, 0), /byte 8: .*not valid JSON/],
    ["metadata that is a list", raw('{"__metadata__":[]}', 0), /__metadata__: must be an object of strings/],
    ["metadata that is a number", raw('{"__metadata__":{"a":1}}', 0), /the value of a must be a string/],
    ["a tensor that is a string", raw('{"a":"b"}', 0), /byte 9: a: must be an object/],
    ["an unknown dtype", raw(tensor('"dtype":"U7","shape":[4],"data_offsets":[0,4]'), 4), /byte 9: a: dtype "U7"/],
    ["a block dtype", raw(tensor('"dtype":"Q8_0","shape":[32],"data_offsets":[0,34]'), 34), /dtype "Q8_0"/],
    ["a negative size", raw(tensor('"dtype":"U8","shape":[-4],"data_offsets":[0,4]'), 4), /shape must be/],
    ["a size of 1.5", raw(tensor('"dtype":"U8","shape":[1.5],"data_offsets":[0,4]'), 4), /shape must be/],
    ["a shape that is a number", raw(tensor('"dtype":"U8","shape":4,"data_offsets":[0,4]'), 4), /shape must be/],
    ["sizes whose product wraps", raw(tensor(wrapping), 4), /too many elements/],
    ["one offset", raw(tensor('"dtype":"U8","shape":[4],"data_offsets":[0]'), 4), /data_offsets must be two/],
    ["offsets the wrong way round", raw(tensor('"dtype":"U8","shape":[4],"data_offsets":[4,0]'), 4), /do not span/],
    [
      "offsets that disagree",
      raw(tensor('"dtype":"U8","shape":[3],"data_offsets":[0,4]'), 4),
      /do not span the 3 bytes/,
    ],
    ["data that is cut short", raw(tensor(good), 3), /end at 4, but only 3 bytes of data follow/],
    ["bytes after the data", raw(tensor(good), 5), /1 bytes after the last tensor/],
    ["a hole", raw(tensor('"dtype":"U8","shape":[3],"data_offsets":[1,4]'), 4), /1 bytes before tensor a/],
    ["overlap", raw(`{"b":{${good}},"a":{${good}}}`, 4), /tensors b and a overlap/],
  ];
  it.each(cases)("%s", async (_, bytes, message) => {
    const error = await openBytes(bytes).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as FormatError).message).toMatch(message);
  });
});

describe("a sharded checkpoint", () => {
  const shard = (...names: string[]) =>
    collect(safetensorsChunks(names.map((name) => countingTensor(name, "U8", [2], 2))));

  async function checkpoint(index: unknown, extra: Record<string, Uint8Array> = {}) {
    const text = typeof index === "string" ? index : JSON.stringify(index);
    const bytes = new TextEncoder().encode(text);
    const files = { "1.safetensors": await shard("a", "b"), "2.safetensors": await shard("c"), ...extra };
    return memoryFolder({ "model.safetensors.index.json": bytes, ...files });
  }
  const weightMap = { a: "1.safetensors", b: "1.safetensors", c: "2.safetensors" };

  it("opens from its index", async () => {
    const file = await openSafetensors(await checkpoint({ metadata: {}, weight_map: weightMap }));
    expect([...file.tensors.keys()].sort()).toEqual(["a", "b", "c"]);
    expect(file.tensors.get("c")!.file).toBe("2.safetensors");
  });

  it("gives way to a single model.safetensors, as in transformers", async () => {
    const single = { "model.safetensors": await shard("only") };
    const file = await openSafetensors(await checkpoint({ weight_map: weightMap }, single));
    expect([...file.tensors.keys()]).toEqual(["only"]);
  });

  it.each<[string, unknown, RegExp]>([
    [
      "a tensor that its shard has not",
      { ...weightMap, d: "1.safetensors" },
      /tensor d is in 1.safetensors, which does/,
    ],
    ["a tensor in another shard", { ...weightMap, b: "2.safetensors" }, /does not have it; 1.safetensors has/],
    ["a shard that is not there", { ...weightMap, d: "3.safetensors" }, /^3.safetensors: .*no such file/],
    ["a path out of the folder", { a: "../1.safetensors" }, /a must name a file of the same folder/],
    ["an absolute path", { a: "/etc/passwd" }, /a must name a file of the same folder/],
    ["a Windows path", { a: "..\\1.safetensors" }, /a must name a file of the same folder/],
    ["a drive", { a: "C:1.safetensors" }, /a must name a file of the same folder/],
    ["the folder itself", { a: ".." }, /a must name a file of the same folder/],
    ["a number for a file", { a: 1 }, /a must name a file of the same folder/],
  ])("is refused: %s", async (_, map, message) => {
    const opening = openSafetensors(await checkpoint({ weight_map: map }, { "2.safetensors": await shard("c") }));
    await expect(opening).rejects.toThrow(FormatError);
    await expect(opening).rejects.toThrow(message);
  });

  it("is refused when two shards have one tensor", async () => {
    const folder = await checkpoint({ weight_map: weightMap }, { "2.safetensors": await shard("c", "a") });
    await expect(openSafetensors(folder)).rejects.toThrow("tensor a is in 1.safetensors too");
  });

  it.each(["", "{", "null", "[]", '{"weight_map":null}', '{"weight_map":"x"}'])(
    "is refused with the index %j",
    async (index) => {
      await expect(openSafetensors(await checkpoint(index))).rejects.toThrow(FormatError);
    },
  );

  it("is refused when the folder holds nothing of the kind", async () => {
    await expect(openSafetensors(memoryFolder({}))).rejects.toThrow("has neither model.safetensors nor");
  });

  it("has the same tensors as the single file", async (t) => {
    const [single, sharded] = [fixture("v3-tiny"), fixture("v3-tiny-sharded")];
    if (single === null || sharded === null) return t.skip(NO_SHARED);
    const files = await Promise.all([openSafetensorsPath(single), openSafetensorsPath(sharded)]);
    expect([...files[1].tensors.keys()].sort()).toEqual([...files[0].tensors.keys()].sort());
    const name = "model.layers.2.self_attn.kv_b_proj.weight";
    expect(await files[1].tensors.get(name)!.read()).toEqual(await files[0].tensors.get(name)!.read());
    await Promise.all(files.map((file) => file.close()));
  });
});

const wrapping = '"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]';

/** A file of a header as Latin-1 text and `dataBytes` zeros; the length before the header may lie. */
function raw(header: string, dataBytes: number, length: number | bigint = header.length): Uint8Array {
  const bytes = new Uint8Array(8 + header.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(Buffer.from(header, "latin1"), 8);
  return bytes;
}
