import { describe, expect, it } from "vitest";
import { fixture, fixtureNames, NO_SHARED } from "../../test/shared-fixtures.ts";
import { memoryFolder } from "../formats/byte-source.ts";
import { openFolder } from "../formats/file-source.ts";
import { ggufChunks } from "../formats/gguf-writer.ts";
import { openCheckpoint } from "./checkpoint.ts";

describe("tensors that the network does not use", () => {
  it("are none in any family", async (t) => {
    const families = fixtureNames().filter((name) => fixture(name, "config.json") && fixtureNames(name).length > 3);
    if (families.length === 0) return t.skip(NO_SHARED);
    for (const family of families) {
      const checkpoint = await openCheckpoint(openFolder(fixture(family)!));
      expect([family, checkpoint.notes]).toEqual([family, []]);
      await checkpoint.close();
    }
  });

  it("are named in the notes: a bias more than the architecture has", async (t) => {
    const directory = fixture("gguf");
    const name = "v3-tiny-Q8_0.gguf";
    if (!directory || !fixture("gguf", name)) return t.skip(NO_SHARED);
    const whole = await openCheckpoint(openFolder(directory), name);
    const bias = {
      name: "blk.1.attn_output.bias",
      dtype: "F32",
      shape: [64],
      data: () => new Uint8Array(256),
    } as const;
    const tensors = [...whole.file.tensors.values()].map((entry) => ({ ...entry, data: () => entry.read() }));
    const chunks: Uint8Array[] = [];
    for await (const chunk of ggufChunks(whole.gguf!.values, [...tensors, bias])) chunks.push(chunk.slice());
    await whole.close();
    const odd = await openCheckpoint(memoryFolder({ "odd.gguf": Buffer.concat(chunks) }), "odd.gguf");
    expect(odd.notes).toEqual(["1 tensor(s) of the file are not used by this network: blk.1.attn_output.bias"]);
    await odd.close();
  });
});
