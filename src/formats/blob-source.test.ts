import { describe, expect, it } from "vitest";
import { FormatError } from "../errors.ts";
import { blobFolder, blobSource } from "./blob-source.ts";

const blob = new Blob([Uint8Array.of(1, 2, 3, 4)]);

describe("blobSource", () => {
  it("reads what is asked for, from the place that is asked for", async () => {
    const source = blobSource("a.gguf", blob);
    expect(source).toMatchObject({ name: "a.gguf", size: 4 });
    expect(await source.read(1, 2)).toEqual(Uint8Array.of(2, 3));
    expect(await source.read(4, 0)).toEqual(new Uint8Array());
    await expect(source.read(3, 2)).rejects.toThrow(/a\.gguf: byte 3: 2 bytes wanted/);
  });

  it("says when the file that it stands for can no longer be read", async () => {
    const gone = Object.assign(new Blob(["1234"]), {
      slice: () => ({ arrayBuffer: () => Promise.reject(new DOMException("changed on disk", "NotReadableError")) }),
    });
    await expect(blobSource("a.gguf", gone as unknown as Blob).read(0, 2)).rejects.toThrow(/a\.gguf.*changed on disk/);
  });
});

describe("blobFolder", () => {
  it("has the files that were chosen and no others", async () => {
    const folder = blobFolder(new Map([["a.gguf", blob]]));
    expect([await folder.has("a.gguf"), await folder.has("b.gguf")]).toEqual([true, false]);
    expect(await (await folder.open("a.gguf")).read(0, 1)).toEqual(Uint8Array.of(1));
    await expect(folder.open("b.gguf")).rejects.toThrow(FormatError);
    await expect(folder.open("b.gguf")).rejects.toThrow(/b\.gguf.*not among the chosen files/);
  });
});
