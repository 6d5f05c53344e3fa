import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { collect } from "../../../test/tiny-files.ts";
import { FormatError } from "../../errors.ts";
import { memoryFolder } from "../../formats/byte-source.ts";
import { type GgufFile, openGguf } from "../../formats/gguf-reader.ts";
import type { StoredType, TensorEntry } from "../../formats/tensor-file.ts";
import { openEncoder } from "../../node.ts";
import { encodeF16, encodeF32 } from "../../tensor/decode/encode.ts";
import { DTYPES, rowBytes } from "../../tensor/dtype.ts";
import type { EncodedType, Encoder } from "../../tensor/encoder.ts";
import type { Importance, ImportanceMatrix } from "./imatrix.ts";
import { planQuantize, type QuantizeOptions, quantizedChunks } from "./quantize.ts";
import { type FileType, RECIPES, staysExact } from "./recipe.ts";
import { fromGguf, type SourceTensor } from "./source.ts";

/** One of each kind of tensor that recipes tell apart, in 16 layers of which the last is an MTP layer. */
const SHAPES: Readonly<Record<string, number[]>> = {
  "token_embd.weight": [6, 256],
  "output_norm.weight": [256],
  "output.weight": [6, 256],
  ...Object.fromEntries(
    Array.from({ length: 16 }, (_, layer) => [
      [`blk.${layer}.attn_q.weight`, [3, 256]],
      [`blk.${layer}.attn_k_b.weight`, [2, 3, 32]],
      [`blk.${layer}.attn_v.weight`, [3, 256]],
      [`blk.${layer}.attn_output.weight`, [2, 512]],
      [`blk.${layer}.ffn_gate_inp.weight`, [4, 256]],
      [`blk.${layer}.ffn_gate_exps.weight`, [2, 3, 256]],
      [`blk.${layer}.ffn_down_exps.weight`, [2, 3, 256]],
    ]).flat(),
  ),
  "blk.15.nextn.eh_proj.weight": [3, 512],
  "blk.15.nextn.enorm.weight": [256],
};

function valuesOf(name: string): Float32Array {
  let state = [...name].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), 7) | 1;
  return Float32Array.from({ length: SHAPES[name]!.reduce((a, b) => a * b) }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 32;
  });
}

function source(name: string): SourceTensor {
  const shape = SHAPES[name]!;
  const keeps = staysExact(name, shape) ? "F32" : null;
  return {
    name,
    shape,
    stored: "F32",
    keeps,
    place: { file: "m", offset: 0 },
    async *pieces() {
      yield { dtype: "F32", bytes: encodeF32(valuesOf(name)) };
    },
  };
}

const SOURCES = Object.keys(SHAPES).map(source);

/** Knows all matrices but those named. */
function imatrixWithout(...unknown: string[]): ImportanceMatrix {
  const tensors = new Set(Object.keys(SHAPES).filter((name) => !unknown.includes(name)));
  return {
    name: "i.dat",
    tensors,
    of: async (name) => (tensors.has(name) ? importanceOf(name) : null),
    async close() {},
  };
}

function importanceOf(name: string): Importance {
  const shape = SHAPES[name]!;
  const matrices = shape.length === 3 ? shape[0]! : 1;
  return { matrices, values: Float32Array.from({ length: matrices * shape.at(-1)! }, (_, i) => 0.1 + ((i * i) % 17)) };
}

let encoder: Encoder;
beforeAll(async () => {
  encoder = await openEncoder({ threads: 2 });
});
afterAll(() => encoder.close());

async function quantized(type: FileType, imatrix?: ImportanceMatrix, options: QuantizeOptions = {}): Promise<GgufFile> {
  const plan = planQuantize(new Map(), SOURCES, type, imatrix);
  const bytes = await collect(quantizedChunks(plan, encoder, { imatrix, ...options }));
  return openGguf(memoryFolder({ "o.gguf": bytes }), "o.gguf");
}

/** What the tensors of a file became, without the numbers of layers; the same of all layers said once. */
function typesOf(file: GgufFile): Record<string, string> {
  const types = new Map<string, Set<StoredType>>();
  for (const [name, { dtype }] of file.tensors) {
    const kind = name.replace(/^blk\.\d+\.|\.weight$/g, "");
    types.set(kind, (types.get(kind) ?? new Set()).add(dtype));
  }
  return Object.fromEntries([...types].map(([kind, all]) => [kind, [...all].sort().join(" ")]));
}

describe("a quantised file", () => {
  it.each(Object.keys(RECIPES) as FileType[])(
    "reads back what the encoders gave, MTP layer included: %s",
    async (type) => {
      const file = await quantized(type, imatrixWithout());
      expect(file.metadata.number("general.file_type")).toBe(RECIPES[type].fileType);
      expect([...file.tensors.keys()]).toEqual(Object.keys(SHAPES));
      for (const [name, { dtype, shape, read }] of file.tensors) {
        expect(shape).toEqual(SHAPES[name]);
        const bytes = encodeF32(valuesOf(name));
        const [columns, rows] = [shape.at(-1)!, shape.at(-2) ?? 1];
        const { values } = importanceOf(name);
        const to = dtype as EncodedType;
        const want = staysExact(name, shape)
          ? bytes
          : await encoder.encode({ from: "F32", bytes, columns, to, importance: { values, rows } });
        expect(Buffer.compare(await read(), want), `${name} ${dtype}`).toBe(0);
      }
    },
  );

  it.each<[FileType, Record<string, string>]>([
    ["Q8_0", { token_embd: "Q8_0", output: "Q8_0", attn_v: "Q8_0", ffn_down_exps: "Q8_0" }],
    ["Q4_K_M", { token_embd: "Q4_K", output: "Q6_K", attn_v: "Q4_K Q6_K", attn_q: "Q4_K", ffn_down_exps: "Q4_K Q6_K" }],
    ["Q3_K_M", { output: "Q6_K", attn_v: "Q4_K Q5_K", attn_output: "Q4_K", ffn_down_exps: "Q4_K Q5_K" }],
    ["IQ3_XS", { output: "Q6_K", attn_v: "Q4_K", attn_q: "IQ3_XXS", ffn_gate_exps: "IQ3_S IQ3_XXS" }],
    ["IQ3_XXS", { token_embd: "IQ3_S", output: "Q5_K", attn_q: "IQ2_S", attn_output: "IQ3_S" }],
    ["IQ2_M", { token_embd: "IQ3_S", attn_q: "IQ2_S", attn_v: "Q4_K", ffn_down_exps: "IQ2_S IQ3_S" }],
    ["IQ2_S", { token_embd: "IQ3_S", attn_q: "IQ2_XS", "nextn.eh_proj": "IQ2_XS" }],
    ["IQ1_M", { token_embd: "Q2_K", attn_output: "IQ2_XXS", attn_q: "IQ1_M", ffn_down_exps: "IQ1_M Q2_K" }],
    ["MXFP4_MOE", { output: "Q8_0", attn_q: "Q8_0", ffn_gate_exps: "MXFP4", ffn_down_exps: "MXFP4" }],
    ["TQ2_0", { token_embd: "Q4_K", output: "Q6_K", attn_k_b: "Q4_0", ffn_down_exps: "TQ2_0" }],
  ])("of type %s gives each kind of tensor what it needs", async (type, want) => {
    const types = typesOf(await quantized(type, imatrixWithout()));
    expect(types).toMatchObject({ ...want, output_norm: "F32", ffn_gate_inp: "F32", "nextn.enorm": "F32" });
  });

  it("stores tensors without importance in a type that does without, and names them", async () => {
    const unknown = ["blk.2.ffn_gate_exps.weight", "blk.15.nextn.eh_proj.weight", "blk.0.attn_v.weight"];
    const imatrix = imatrixWithout(...unknown);
    const { notes, tensors } = planQuantize(new Map(), SOURCES, "IQ2_XXS", imatrix);
    expect(notes.slice(1)).toEqual([
      "i.dat has nothing about blk.0.attn_v.weight: stored as Q4_K, all columns alike",
      "i.dat has nothing about blk.2.ffn_gate_exps.weight, blk.15.nextn.eh_proj.weight: stored as Q2_K, all columns alike",
    ]);
    const types = new Map(tensors.map(({ source: { name }, dtype }) => [name, dtype]));
    expect(unknown.map((name) => types.get(name))).toEqual(["Q2_K", "Q2_K", "Q4_K"]);
    expect(types.get("blk.3.ffn_gate_exps.weight")).toBe("IQ2_XXS");
    await quantized("IQ2_XXS", imatrix);
  });

  it("is refused with the importance matrix of another model", () => {
    const other = { ...imatrixWithout(), tensors: new Set(["blk.0.other.weight"]) };
    expect(() => planQuantize(new Map(), SOURCES, "Q4_K_M", other)).toThrow(/i.dat.*made of another model/);
  });

  it("is not finished once its signal is aborted, and says why", async () => {
    const stop = new AbortController();
    const onProgress = () => stop.abort(new Error("enough"));
    await expect(quantized("Q4_K_M", undefined, { signal: stop.signal, onProgress })).rejects.toThrow("enough");
  });
});

/** A tensor of zeros in a file, too large for this process to hold twice; remembers what is read of it. */
class LargeEntry implements TensorEntry {
  readonly name = "blk.0.ffn_up_exps.weight";
  readonly dtype = "F16";
  readonly file = "m.gguf";
  readonly offset = 0;
  readonly shape: readonly number[];
  readonly byteLength: number;
  readBytes = 0;
  largestRead = 0;

  constructor(shape: readonly number[]) {
    this.shape = shape;
    this.byteLength = shape.reduce((product, length) => product * length, 2);
  }
  read(): Promise<Uint8Array> {
    return this.readRange(0, this.byteLength);
  }
  async readRange(_at: number, length: number): Promise<Uint8Array> {
    this.readBytes += length;
    this.largestRead = Math.max(this.largestRead, length);
    return new Uint8Array(length);
  }
}

describe("what is in memory while a tensor is quantised", () => {
  it.each([
    ["a matrix", [2 ** 17, 1024]],
    ["experts", [64, 2048, 1024]],
  ])("is one piece of it, read once the one before is written: %s of 256 MiB", async (_, shape) => {
    const entry = new LargeEntry(shape);
    const plan = planQuantize(new Map(), [fromGguf(entry, false)], "Q4_0");
    let written = 0;
    let largestChunk = 0;
    let mostAhead = 0;
    for await (const chunk of quantizedChunks(plan, encoder)) {
      const isHeader = entry.readBytes === 0;
      mostAhead = Math.max(mostAhead, entry.readBytes - written);
      if (!isHeader) written += (chunk.length / rowBytes("Q4_0", 32)) * rowBytes("F16", 32);
      largestChunk = Math.max(largestChunk, chunk.length);
    }
    expect(written).toBe(entry.byteLength);
    expect(entry.readBytes).toBe(entry.byteLength);
    expect(mostAhead).toBeLessThanOrEqual(2 ** 26);
    expect(largestChunk).toBeLessThanOrEqual((2 ** 22 / DTYPES.Q4_0.blockElements) * DTYPES.Q4_0.blockBytes);
  });
});

describe("steps", () => {
  it("give the same bytes as a tensor encoded at once, with importance by matrix", async () => {
    const shape = [5, 3000, 512];
    const name = "blk.0.ffn_up_exps.weight";
    const values = Float32Array.from({ length: 5 * 3000 * 512 }, (_, i) => Math.sin(i * 0.37) * 0.02);
    const bytes = encodeF16(values);
    const importance = { matrices: 5, values: Float32Array.from({ length: 5 * 512 }, (_, i) => 0.1 + ((i * i) % 29)) };
    const imatrix = { ...imatrixWithout(), tensors: new Set([name]), of: async () => importance };
    const tensor: SourceTensor = {
      ...{ name, shape, stored: "F16", keeps: null, place: { file: "m", offset: 0 } },
      async *pieces() {
        const half = 7000 * 1024; // rows of 1024 bytes; the piece ends inside the third matrix
        yield { dtype: "F16", bytes: bytes.subarray(0, half) };
        yield { dtype: "F16", bytes: bytes.subarray(half) };
      },
    };
    const plan = planQuantize(new Map(), [tensor], "Q4_0", imatrix);
    const file = await collect(quantizedChunks(plan, encoder, { imatrix }));
    const want = await encoder.encode({
      ...{ from: "F16", bytes, columns: 512, to: "Q4_0" },
      importance: { values: importance.values, rows: 3000 },
    });
    const { tensors } = await openGguf(memoryFolder({ "o.gguf": file }), "o.gguf");
    expect(Buffer.compare(await tensors.get(name)!.read(), want)).toBe(0);
  });

  it("name the row of the tensor whose value cannot be stored", async () => {
    const shape = [20_000, 512];
    const values = new Float32Array(20_000 * 512);
    values[15_001 * 512 + 3] = Number.NaN;
    const tensor: SourceTensor = {
      ...{ name: "blk.0.ffn_up.weight", shape, stored: "F32", keeps: null, place: { file: "m.gguf", offset: 64 } },
      async *pieces() {
        yield { dtype: "F32", bytes: encodeF32(values) };
      },
    };
    const chunks = quantizedChunks(planQuantize(new Map(), [tensor], "Q8_0"), encoder);
    const error = await collect(chunks).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as Error).message).toMatch(/^m.gguf: byte 64: tensor blk.0.ffn_up.weight: row 15001 has a value/);
  });
});
