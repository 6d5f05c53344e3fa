import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { changed, openTiny } from "../../test/tiny-network.ts";
import { FormatError, ShapeError } from "../errors.ts";
import type { TensorEntry } from "../formats/tensor-file.ts";
import { readWeight } from "../tensor/decode/read-weight.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { recordMtp, recordNetwork } from "./network.ts";
import { HfWeights } from "./weights-hf.ts";

let v3: Checkpoint;
let fp8: Checkpoint;
let qwen2: Checkpoint;
beforeAll(async () => {
  [v3, fp8, qwen2] = (await Promise.all(["v3-tiny", "v3-fp8", "qwen2-tiny"].map(openTiny))) as [
    Checkpoint,
    Checkpoint,
    Checkpoint,
  ];
});
afterAll(() => Promise.all([v3, fp8, qwen2].map((checkpoint) => checkpoint.close())));

/** Records main network and MTP layer with a changed table of tensors. */
function record(
  checkpoint: Checkpoint,
  change: (tensors: Map<string, TensorEntry>) => void,
  block: [number, number] | null = [128, 128],
) {
  const weights = new HfWeights(changed(checkpoint.file, change), checkpoint.config, block);
  recordNetwork(checkpoint.config, weights);
  if (checkpoint.config.numNextnPredictLayers > 0) recordMtp(checkpoint.config, weights);
}

const change = (name: string, part: Partial<TensorEntry>) => (tensors: Map<string, TensorEntry>) => {
  tensors.set(name, { ...tensors.get(name)!, ...part });
};

describe("the weights of a Hugging Face checkpoint", () => {
  it("are all used, and each that is missing is named", () => {
    for (const checkpoint of [v3, fp8, qwen2]) {
      for (const name of checkpoint.file.tensors.keys()) {
        // MTP layers may leave out their copies of the embedding and the head.
        if (/layers\.\d+\.(embed_tokens|shared_head\.head)/.test(name)) continue;
        expect(() => record(checkpoint, (tensors) => tensors.delete(name)), name).toThrow(FormatError);
        expect(() => record(checkpoint, (tensors) => tensors.delete(name)), name).toThrow(`tensor ${name} is missing`);
      }
    }
  });

  it("of a wrong shape are refused by name", () => {
    for (const [name, entry] of v3.file.tensors) {
      const transposed = entry.shape.length === 1 ? [entry.shape[0]! + 1] : entry.shape.toReversed();
      if (transposed.join() === entry.shape.join()) continue;
      let error: unknown;
      try {
        record(v3, change(name, { shape: transposed }));
      } catch (thrown) {
        error = thrown;
      }
      expect(
        [FormatError, ShapeError].some((type) => error instanceof type),
        name,
      ).toBe(true);
    }
  });

  it("must have a row for each token of the vocabulary", () => {
    for (const name of ["model.embed_tokens.weight", "lm_head.weight", "model.layers.4.shared_head.head.weight"]) {
      expect(() => record(v3, change(name, { shape: [513, 64] })), name).toThrow(ShapeError);
    }
  });

  it("of an expert must have the shape and the type of the others", () => {
    const name = "model.layers.1.mlp.experts.3.up_proj.weight";
    expect(() => record(v3, change(name, { shape: [64, 32] }))).toThrow(
      `tensor ${name} has the shape [64,32]; want [32,64]`,
    );
    expect(() => record(v3, change(name, { dtype: "F16" }))).toThrow(`tensor ${name} is of type F16`);
  });

  it("of a type that is not computed with are refused", () => {
    const name = "model.layers.0.mlp.up_proj.weight";
    expect(() => record(v3, change(name, { dtype: "I64" }))).toThrow(`tensor ${name} is of type I64`);
  });

  it("put the experts one after the other", async () => {
    const weight = v3.weights.layer(2, "expertsDown");
    expect(weight).toMatchObject({ name: "layers.2.expertsDown", dtype: "BF16", shape: [16, 64, 32] });
    expect(weight.segments).toHaveLength(16);
    const values = await readWeight(weight);
    for (const expert of [0, 5, 15]) {
      const entry = v3.file.tensors.get(`model.layers.2.mlp.experts.${expert}.down_proj.weight`)!;
      const alone = await readWeight({
        ...weight,
        shape: [64, 32],
        segments: [{ rows: 64, file: "", offset: 0, byteLength: 0, read: entry.read }],
      });
      expect(values.subarray(expert * 2048, (expert + 1) * 2048)).toEqual(alone);
    }
  });

  it("cut kv_b_proj into the key and value rows of each head", async () => {
    const { key, keyLayout, value } = v3.weights.kvB(1);
    const entry = v3.file.tensors.get("model.layers.1.self_attn.kv_b_proj.weight")!;
    expect(keyLayout).toBe("nopeMajor");
    expect([key.shape, value.shape]).toEqual([
      [4, 32, 32],
      [4, 32, 32],
    ]);
    const whole = await readWeight({
      ...key,
      shape: entry.shape,
      segments: [{ ...key.segments[0]!, rows: 256, read: entry.read }],
    });
    const [keys, values] = [await readWeight(key), await readWeight(value)];
    for (const head of [0, 1, 3]) {
      const rows = (from: number) => whole.subarray(from * 32, (from + 32) * 32);
      expect(keys.subarray(head * 1024, (head + 1) * 1024)).toEqual(rows(head * 64));
      expect(values.subarray(head * 1024, (head + 1) * 1024)).toEqual(rows(head * 64 + 32));
    }
  });

  it("tie the head to the embedding where the config says so", () => {
    expect(qwen2.file.tensors.has("lm_head.weight")).toBe(false);
    const { weights } = recordNetwork(qwen2.config, qwen2.weights);
    expect(weights.get("embed")!.uses).toEqual(new Set(["gather", "linear"]));
  });
});

describe("FP8 weights", () => {
  const weight = "model.layers.0.self_attn.q_a_proj.weight";
  const scales = `${weight}_scale_inv`;

  it("need their block scales", () => {
    expect(() => record(fp8, (tensors) => tensors.delete(scales))).toThrow(`tensor ${scales} is missing`);
  });

  it("need one scale for each block, the cut ones included", () => {
    expect(fp8.file.tensors.get(weight)!.shape).toEqual([96, 192]);
    expect(fp8.file.tensors.get(scales)!.shape).toEqual([1, 2]);
    expect(() => record(fp8, change(scales, { shape: [1, 1] }))).toThrow(
      `tensor ${scales} is F32 [1,1]; want F32 [1,2]`,
    );
    expect(() => record(fp8, () => undefined, [64, 128])).toThrow("want F32 [2,2]");
  });

  it("need scales in f32", () => {
    expect(() => record(fp8, change(scales, { dtype: "BF16" }))).toThrow(`tensor ${scales} is BF16`);
  });

  it("need a block size in the config", () => {
    expect(() => record(fp8, () => undefined, null)).toThrow(
      /tensor .* is FP8, but config.json has no quantization_config/,
    );
  });

  it("of kv_b_proj keep the scales of the whole matrix when it is cut", () => {
    const { key, value } = fp8.weights.kvB(0);
    expect(key.segments.map(({ scales }) => scales!.firstRow)).toEqual([0, 64, 128, 192]);
    expect(value.segments.map(({ scales }) => scales!.firstRow)).toEqual([32, 96, 160, 224]);
  });
});
