import { describe, expect, it } from "vitest";
import { openGgufPath } from "../src/formats/open-path.ts";
import { decodeBlocks } from "../src/tensor/decode/decode.ts";
import { encodeBf16, encodeF16, encodeQ8_0 } from "../src/tensor/decode/encode.ts";
import { fixture, NO_SHARED } from "./shared-fixtures.ts";

const ENCODERS = { F16: encodeF16, BF16: encodeBf16, Q8_0: encodeQ8_0 };

describe("encoding the F32 file gives the bytes of llama.cpp's file", () => {
  for (const [dtype, encode] of Object.entries(ENCODERS)) {
    it(dtype, async (t) => {
      const paths = ["F32", dtype].map((type) => fixture("gguf", `v3-tiny-${type}.gguf`));
      const [original, encoded] = paths;
      if (!original || !encoded) return t.skip(NO_SHARED);
      const [from, to] = await Promise.all([openGgufPath(original), openGgufPath(encoded)]);
      let compared = 0;
      for (const [name, entry] of to.tensors) {
        if (entry.dtype !== dtype) continue;
        const source = from.tensors.get(name)!;
        const values = new Float32Array(source.byteLength / 4);
        decodeBlocks("F32", await source.read(), values);
        expect(Buffer.compare(encode(values), await entry.read()), name).toBe(0);
        compared++;
      }
      expect(compared).toBeGreaterThan(30);
      await Promise.all([from.close(), to.close()]);
    });
  }
});
