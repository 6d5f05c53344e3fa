import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixture, NO_SHARED } from "../../test/shared-fixtures.ts";
import { collect } from "../../test/tiny-files.ts";
import { changed, logitsOf, openTiny } from "../../test/tiny-network.ts";
import { ConfigError, FormatError, ShapeError } from "../errors.ts";
import { memoryFolder } from "../formats/byte-source.ts";
import type { GgufValue } from "../formats/gguf-values.ts";
import { ggufChunks } from "../formats/gguf-writer.ts";
import type { TensorContent } from "../formats/tensor-content.ts";
import type { TensorEntry } from "../formats/tensor-file.ts";
import { readWeight } from "../tensor/decode/read-weight.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { recordNetwork } from "./network.ts";
import { GgufWeights } from "./weights-gguf.ts";

const PROMPT = [0, 17, 300, 4, 4, 511, 99, 250, 33, 8];

let v3: Checkpoint;
beforeAll(async () => {
  v3 = await openTiny("v3-tiny-Q8_0.gguf");
});
afterAll(() => v3.close());

/** The checkpoint written again, with its tensors changed. */
async function rewritten(tensors: readonly TensorContent[], more: Record<string, GgufValue> = {}): Promise<Checkpoint> {
  const metadata = new Map([...v3.gguf!.values, ...Object.entries(more)]);
  const bytes = await collect(ggufChunks(metadata, tensors));
  return openCheckpoint(memoryFolder({ "m.gguf": bytes }), "m.gguf");
}

function contents(keep: (name: string) => boolean = () => true): TensorContent[] {
  const kept = [...v3.file.tensors.values()].filter(({ name }) => keep(name));
  return kept.map(({ name, dtype, shape, read }) => ({ name, dtype, shape, data: read }));
}

function record(change: (tensors: Map<string, TensorEntry>) => void) {
  return recordNetwork(v3.config, new GgufWeights(changed(v3.file, change), v3.config));
}

describe("the weights of a GGUF", () => {
  it("are all used, and each that is missing is named", () => {
    for (const name of v3.file.tensors.keys()) {
      expect(() => record((tensors) => tensors.delete(name)), name).toThrow(FormatError);
      expect(() => record((tensors) => tensors.delete(name)), name).toThrow(`tensor ${name} is missing`);
    }
  });

  it("of a wrong shape are refused by name", () => {
    for (const [name, entry] of v3.file.tensors) {
      const shape = entry.shape.with(0, entry.shape[0]! + 1);
      const attempt = () => record((tensors) => tensors.set(name, { ...entry, shape }));
      let error: unknown;
      try {
        attempt();
      } catch (thrown) {
        error = thrown;
      }
      expect(
        [FormatError, ShapeError].some((type) => error instanceof type),
        name,
      ).toBe(true);
    }
  });

  it("may have gate and up projections of the experts merged into one tensor", async () => {
    const merged: TensorContent[] = [];
    for (const [name, gate] of v3.file.tensors) {
      const match = /^blk\.(\d+)\.ffn_gate_exps\.weight$/.exec(name);
      if (!match) continue;
      const up = v3.file.tensors.get(`blk.${match[1]}.ffn_up_exps.weight`)!;
      const [experts, inter, hidden] = gate.shape as [number, number, number];
      const data = async () => {
        const [g, u] = [await gate.read(), await up.read()];
        const size = g.length / experts;
        const cut = (bytes: Uint8Array, e: number) => bytes.subarray(e * size, (e + 1) * size);
        return Uint8Array.from(Array.from({ length: experts }, (_, e) => [...cut(g, e), ...cut(u, e)]).flat());
      };
      merged.push({
        name: `blk.${match[1]}.ffn_gate_up_exps.weight`,
        dtype: gate.dtype,
        shape: [experts, 2 * inter, hidden],
        data,
      });
    }
    expect(merged).toHaveLength(3);
    const rest = contents((name) => !/ffn_(gate|up)_exps/.test(name));
    const together = await rewritten([...rest, ...merged]);
    expect(await logitsOf(together, PROMPT)).toEqual(await logitsOf(v3, PROMPT));
  });

  it("are refused where a merged tensor cannot be halved", async () => {
    const odd = {
      name: "blk.1.ffn_gate_up_exps.weight",
      dtype: "F32",
      shape: [16, 3, 64],
      data: () => new Uint8Array(16 * 3 * 64 * 4),
    } as const;
    const rest = contents((name) => !/blk\.1\.ffn_(gate|up)_exps/.test(name));
    await expect(rewritten([...rest, odd])).rejects.toThrow("want [experts, 2 * inter, hidden]");
  });

  it("may have kv_b in one piece, as files from before latent attention had a layout of its own", async () => {
    const transposed = async (key: TensorEntry): Promise<Float32Array> => {
      const { shape, dtype, byteLength, read } = key;
      const [heads, latent, nope] = shape as [number, number, number];
      const segments = [{ rows: heads * latent, file: "", offset: 0, byteLength, read }];
      const values = await readWeight({ name: "", dtype: dtype as "F32", shape, segments });
      return Float32Array.from({ length: values.length }, (_, i) => {
        const [h, n, c] = [Math.floor(i / (nope * latent)), Math.floor(i / latent) % nope, i % latent];
        return values[(h * latent + c) * nope + n]!;
      });
    };
    const legacy: TensorContent[] = [];
    for (const [name, key] of v3.file.tensors) {
      if (!name.endsWith("attn_k_b.weight")) continue;
      const value = v3.file.tensors.get(name.replace("k_b", "v_b"))!;
      const [heads, v, latent] = value.shape as [number, number, number];
      const nope = key.shape[2]!;
      const data = async () => {
        const keys = await transposed(key);
        const segments = [{ rows: heads * v, file: "", offset: 0, byteLength: value.byteLength, read: value.read }];
        const values = await readWeight({ name: "", dtype: value.dtype as "F32", shape: value.shape, segments });
        const rows = Array.from({ length: heads }, (_, h) => [
          ...keys.subarray(h * nope * latent, (h + 1) * nope * latent),
          ...values.subarray(h * v * latent, (h + 1) * v * latent),
        ]);
        return new Uint8Array(Float32Array.from(rows.flat()).buffer);
      };
      legacy.push({ name: name.replace("k_b", "kv_b"), dtype: "F32", shape: [heads * (nope + v), latent], data });
    }
    expect(legacy).toHaveLength(4);
    const old = await rewritten([...contents((name) => !/attn_[kv]_b/.test(name)), ...legacy]);
    expect(await logitsOf(old, PROMPT)).toEqual(await logitsOf(v3, PROMPT));
  });

  it("may leave out the groups: then all experts compete, and the notes say so", async () => {
    const metadata = new Map([...v3.gguf!.values].filter(([key]) => !key.includes("expert_group")));
    const bytes = await collect(ggufChunks(metadata, contents()));
    const { config, notes } = await openCheckpoint(memoryFolder({ "m.gguf": bytes }), "m.gguf");
    expect(config.moe!.routing.groups).toBeNull();
    expect(notes.join()).toContain("without group limits");
  });

  it.for<{ shape: number[]; dtype: "F32" | "I32"; error: typeof FormatError | typeof ConfigError }>([
    { shape: [2, 4], dtype: "F32", error: FormatError },
    { shape: [3], dtype: "F32", error: ConfigError },
    { shape: [8], dtype: "I32", error: FormatError },
  ])("are refused with rope_freqs of shape $shape in $dtype", async ({ shape, dtype, error }) => {
    const bytes = shape.reduce((a, b) => a * b, 4);
    const factors: TensorContent = {
      name: "rope_freqs.weight",
      dtype,
      shape,
      data: () => new Uint8Array(bytes).fill(1),
    };
    await expect(rewritten([...contents(), factors])).rejects.toBeInstanceOf(error);
  });

  it("of a split file are those of the whole", async ({ skip }) => {
    const name = "v3-tiny-split-Q8_0-00001-of-00003.gguf";
    if (!fixture("gguf", name)) return skip(NO_SHARED);
    const split = await openTiny(name);
    expect(await logitsOf(split, PROMPT)).toEqual(await logitsOf(v3, PROMPT));
    await split.close();
  });
});
