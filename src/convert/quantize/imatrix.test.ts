import { describe, expect, it } from "vitest";
import { Mutator } from "../../../test/mutator.ts";
import { collect } from "../../../test/tiny-files.ts";
import { FormatError } from "../../errors.ts";
import { memoryFolder } from "../../formats/byte-source.ts";
import { ggufChunks } from "../../formats/gguf-writer.ts";
import { HeaderBuilder } from "../../formats/header-builder.ts";
import { encodeF32 } from "../../tensor/decode/encode.ts";
import type { ImportanceMatrix } from "./imatrix.ts";
import { openImatrix } from "./open-imatrix.ts";

/** Mean squares of the columns of two matrices and of one, each seen 4 times. */
const MEANS = { "blk.0.ffn_up_exps.weight": [1, 2, 3, 4, 5, 6], "blk.0.attn_q.weight": [0.5, 0.25, 8] };
const SHAPES: Readonly<Record<string, number[]>> = {
  "blk.0.ffn_up_exps.weight": [2, 7, 3],
  "blk.0.attn_q.weight": [9, 3],
};

interface DatFile {
  count?: number;
  entries?: [name: string, calls: number, values: number[], length?: number][];
  tail?: (h: HeaderBuilder) => void;
}

/** A .dat file by its fields, which may lie. */
function dat({ count, entries, tail }: DatFile = {}): Uint8Array {
  const all =
    entries ?? Object.entries(MEANS).map(([name, means]) => [name, 4, means.map((mean) => 4 * mean)] as const);
  const h = new HeaderBuilder();
  h.u32(count ?? all.length);
  for (const [name, calls, values, length = values.length] of all) {
    const text = new TextEncoder().encode(name);
    h.u32(text.length);
    h.bytes(text);
    h.u32(calls);
    h.u32(length);
    h.bytes(encodeF32(Float32Array.from(values)));
  }
  (tail ?? withText)(h);
  return h.finish();
}

function withText(h: HeaderBuilder): void {
  h.u32(7);
  h.u32(4);
  h.bytes(new TextEncoder().encode("a.md"));
}

function gguf(counts = [4, 4]): Promise<Uint8Array> {
  const tensors = Object.entries(MEANS).flatMap(([name, means]) => {
    const matrices = means.length / 3;
    const sums = Float32Array.from(means, (mean) => 4 * mean);
    const times = Float32Array.from(counts.slice(0, matrices));
    return [
      { name: `${name}.in_sum2`, dtype: "F32" as const, shape: [matrices, 3], data: () => encodeF32(sums) },
      { name: `${name}.counts`, dtype: "F32" as const, shape: [matrices, 1], data: () => encodeF32(times) },
    ];
  });
  return collect(ggufChunks(new Map([["general.type", { type: "string", value: "imatrix" }]]), tensors));
}

const open = (bytes: Uint8Array) => openImatrix(memoryFolder({ "i.dat": bytes }), "i.dat");

async function readAll(matrix: ImportanceMatrix): Promise<void> {
  for (const name of Object.keys(MEANS)) await matrix.of(name, SHAPES[name]!);
  await matrix.close();
}

describe("an importance matrix", () => {
  it("says the same as GGUF and as .dat, with its text's name or without", async () => {
    for (const bytes of [await gguf(), dat(), dat({ tail: () => {} }), dat({ tail: (h) => h.u32(7) })]) {
      const matrix = await open(bytes);
      expect([...matrix.tensors]).toEqual(Object.keys(MEANS));
      for (const [name, means] of Object.entries(MEANS)) {
        const { values, matrices } = (await matrix.of(name, SHAPES[name]!))!;
        expect([[...values], matrices]).toEqual([means, means.length / 3]);
      }
      expect(await matrix.of("blk.1.attn_q.weight", [9, 3])).toBeNull();
      await matrix.close();
    }
  });

  it("has nothing but zeros for experts that were never used", async () => {
    const matrix = await open(await gguf([4, 0]));
    const { values } = (await matrix.of("blk.0.ffn_up_exps.weight", [2, 7, 3]))!;
    expect([...values]).toEqual([1, 2, 3, 0, 0, 0]);
  });

  it.each<[string, DatFile, RegExp]>([
    ["no tensors", { count: 0 }, /the number of tensors is 0/],
    ["a negative number of tensors", { count: -1 }, /the number of tensors is -1/],
    ["more tensors than follow", { count: 3 }, /length of a tensor's name is 7, want|truncated|twice|follow/],
    ["a name of 2^20 bytes", { entries: [["x".repeat(2 ** 20), 1, [1]]] }, /length of a tensor's name is 1048576/],
    ["no values", { entries: [["a", 1, []]] }, /number of values of a is 0/],
    ["more values than follow", { entries: [["a", 1, [1], 2 ** 20]] }, /a has 1048576 values, but only/],
    ["a billion values", { entries: [["a", 1, [1], 2 ** 30]] }, /number of values of a is 1073741824/],
    [
      "a tensor twice",
      {
        entries: [
          ["a", 1, [1]],
          ["a", 1, [1]],
        ],
      },
      /byte 21: a is there twice/,
    ],
    ["bytes after the end", { tail: (h) => h.bytes(new Uint8Array(11)) }, /the text's name has 0 bytes, but 3 follow/],
  ])("with %s is refused", async (_, file, message) => {
    const opening = open(dat(file));
    await expect(opening).rejects.toThrow(FormatError);
    await expect(opening).rejects.toThrow(message);
  });

  it("that ends early is refused, wherever it ends", async () => {
    const whole = dat({ tail: () => {} });
    for (let length = 0; length < whole.length; length++) {
      await expect(open(whole.slice(0, length)), `${length} bytes`).rejects.toThrow(/truncated/);
    }
  });

  it.each([
    ["another width", [9, 4], /does not fit/],
    ["another number of experts", [3, 7, 3], /does not fit/],
    ["one matrix only", [14, 3], /does not fit/],
  ] as const)("of a tensor with %s is refused", async (_, shape, message) => {
    for (const bytes of [await gguf(), dat()]) {
      const matrix = await open(bytes);
      await expect(matrix.of("blk.0.ffn_up_exps.weight", [...shape])).rejects.toThrow(message);
    }
  });

  it.each([-1, NaN, Infinity])("with the value %d is refused at its byte", async (value) => {
    const matrix = await open(dat({ entries: [["a", 1, [1, value]]] }));
    await expect(matrix.of("a", [1, 2])).rejects.toThrow(`i.dat: byte 21: a has the value ${value}`);
  });

  it("of another kind is refused with what is wanted", async () => {
    await expect(open(new TextEncoder().encode('{"a":1}'))).rejects.toThrow(/what llama-imatrix writes/);
    const model = await collect(ggufChunks(new Map([["general.type", { type: "string", value: "model" }]]), []));
    await expect(open(model)).rejects.toThrow(/general.type is model, want imatrix/);
  });

  it.each([
    ["dat", dat()],
    ["GGUF", gguf()],
  ] as const)("as %s with damaged bytes loads or is refused with file and offset: 3000 of them", async (_, made) => {
    const bytes = await made;
    const outcomes = { loaded: 0, refused: 0 };
    for (let seed = 0; seed < 3000; seed++) {
      const mutated = new Mutator(seed).mutate(bytes, bytes.length);
      const error = await open(mutated)
        .then(readAll)
        .then(() => null)
        .catch((thrown: unknown) => thrown);
      outcomes[error === null ? "loaded" : "refused"]++;
      if (error === null) continue;
      expect(error, `seed ${seed}`).toBeInstanceOf(FormatError);
      expect((error as FormatError).offset).toBeLessThanOrEqual(mutated.length);
    }
    expect(Math.min(outcomes.loaded, outcomes.refused)).toBeGreaterThan(60);
  });
});
