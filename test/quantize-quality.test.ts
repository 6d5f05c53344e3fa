import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openEncoder } from "../src/node.ts";
import { decodeBlocks } from "../src/tensor/decode/decode.ts";
import { encodeBf16, encodeF16, encodeF32, encodeQ8_0 } from "../src/tensor/decode/encode.ts";
import { ENCODED_TYPES, type EncodedType, type Encoder, ValueError } from "../src/tensor/encoder.ts";
import reference from "./vectors/quantize/llama.cpp.json" with { type: "json" };

const COLUMNS = 1024;

/** The tensors of vectors/quantize/generate.cpp. */
function seeded(heavy: boolean): Float32Array {
  let state = 12345;
  return Float32Array.from({ length: 32 * COLUMNS }, () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      sum += (state >>> 0) / 4294967296;
    }
    return heavy ? 0.01 * sum * (1 + sum * sum) : 0.02 * sum;
  });
}

/** What vectors/quantize/generate.cpp weighs errors with: one number a column. */
function seededImportance(): Float32Array {
  let state = 54321;
  return Float32Array.from({ length: COLUMNS }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const part = (state >>> 0) / 4294967296;
    return 0.01 + 10 * part * part * part * part;
  });
}

let encoder: Encoder;
beforeAll(async () => {
  encoder = await openEncoder({ threads: 2 });
});
afterAll(() => encoder.close());

const encode = (values: Float32Array, to: EncodedType, by = encoder, weights?: Float32Array) =>
  by.encode({
    from: "F32",
    bytes: encodeF32(values),
    columns: COLUMNS,
    to,
    ...(weights && { importance: { values: weights, rows: values.length / COLUMNS } }),
  });

function decoded(dtype: EncodedType, bytes: Uint8Array, length: number): Float32Array {
  const out = new Float32Array(length);
  decodeBlocks(dtype, bytes, out);
  return out;
}

/** Mean of weight (a - b)^2; `weights` are one a column. */
function mse(a: Float32Array, b: Float32Array, weights?: Float32Array): number {
  return a.reduce((sum, value, i) => sum + (weights?.[i % COLUMNS] ?? 1) * (value - b[i]!) ** 2, 0) / a.length;
}

describe("the encoders", () => {
  for (const kind of ["gaussian", "heavy"] as const) {
    const values = seeded(kind === "heavy");
    for (const [weighted, weights] of [
      ["", undefined],
      [" weighted", seededImportance()],
    ] as const) {
      it.each(Object.entries(reference[`${kind}${weighted}`]))(
        `lose no more than llama.cpp's on a ${kind}${weighted} tensor: %s`,
        async (type, theirs) => {
          const dtype = type as EncodedType;
          const bytes = await encode(values, dtype, encoder, weights);
          const ours = mse(values, decoded(dtype, bytes, values.length), weights);
          expect(ours).toBeGreaterThan(0);
          expect(ours / theirs).toBeLessThanOrEqual(1.02);
        },
      );
    }
  }

  it.each(ENCODED_TYPES)("give the same bytes with one thread and with three: %s", async (type) => {
    const values = seeded(true);
    const counts = await Promise.all(
      [1, 3].map(async (threads) => {
        const other = await openEncoder({ threads });
        const bytes = await encode(values, type, other);
        other.close();
        return bytes;
      }),
    );
    expect(Buffer.compare(counts[0]!, counts[1]!)).toBe(0);
  });

  it("give the bytes of the plain encoders for F32, F16, BF16 and Q8_0", async () => {
    const values = seeded(true);
    for (let i = 0; i < 2000; i++) values[i]! *= 2 ** -(i % 24);
    const plain = { F32: encodeF32, F16: encodeF16, BF16: encodeBf16, Q8_0: encodeQ8_0 };
    for (const [type, byHand] of Object.entries(plain)) {
      expect(Buffer.compare(await encode(values, type as EncodedType), byHand(values)), type).toBe(0);
    }
  });

  it("spend their bits where the importance is", async () => {
    const values = seeded(false);
    const importance = Float32Array.from({ length: COLUMNS }, (_, i) => (i % 4 === 0 ? 10 : 0.1));
    for (const type of ["Q4_0", "Q4_K", "Q6_K", "Q2_K", "IQ4_XS", "IQ3_S", "IQ2_XXS", "IQ1_S"] as const) {
      const job = { from: "F32", bytes: encodeF32(values), columns: COLUMNS, to: type } as const;
      const weighted = await encoder.encode({ ...job, importance: { values: importance, rows: 32 } });
      const even = await encoder.encode(job);
      const [a, b] = [weighted, even].map((bytes) => mse(values, decoded(type, bytes, values.length), importance));
      expect(a! / b!, type).toBeLessThan(0.98);
    }
  });

  it.each(ENCODED_TYPES)("store zeros as zeros: %s", async (type) => {
    const zeros = new Float32Array(COLUMNS);
    expect(decoded(type, await encode(zeros, type), COLUMNS).every((value) => value === 0)).toBe(true);
  });

  it.each([NaN, Infinity, 1e9])("refuse %d and name the row", async (value) => {
    const values = seeded(false);
    values[5 * COLUMNS + 7] = value;
    const error = await encode(values, "Q4_K").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ValueError);
    expect((error as ValueError).row).toBe(5);
  });
});
