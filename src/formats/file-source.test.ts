import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FormatError } from "../errors.ts";
import { isDirectory, openFile, openFolder } from "./file-source.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "file-source-"));
});
afterAll(() => rm(dir, { recursive: true }));

describe("openFile", () => {
  it("reads beyond 4 GiB", async () => {
    const file = path.join(dir, "large");
    const size = 5 * 2 ** 30;
    const handle = await open(file, "w"); // sparse: takes no disk space
    await handle.truncate(size);
    await handle.write(Uint8Array.of(42), 0, 1, size - 1);
    await handle.close();
    const source = await openFile(file);
    expect(source.size).toBe(size);
    expect([...(await source.read(size - 2, 2))]).toEqual([0, 42]);
    await expect(source.read(size - 1, 2)).rejects.toThrow(FormatError);
    await source.close();
  });

  it("says where a file ended that became shorter while it was open", async () => {
    const file = path.join(dir, "shrinking");
    await writeFile(file, "0123456789");
    const source = await openFile(file);
    await truncate(file, 4);
    await expect(source.read(2, 6)).rejects.toMatchObject({ file, offset: 4 });
    await source.close();
  });

  it.each(["missing", ".", "nul\0byte"])("refuses %j by name", async (name) => {
    const file = path.join(dir, name);
    await expect(openFile(file)).rejects.toThrow(FormatError);
    await expect(openFile(file)).rejects.toMatchObject({ file });
  });
});

describe("openFolder", () => {
  it("knows files from folders and from nothing", async () => {
    await writeFile(path.join(dir, "a"), "x");
    expect(await openFolder(dir).has("a")).toBe(true);
    expect(await openFolder(dir).has("b")).toBe(false);
    expect(await openFolder(path.dirname(dir)).has(path.basename(dir))).toBe(false);
    expect(await isDirectory(dir)).toBe(true);
    expect(await isDirectory(path.join(dir, "a"))).toBe(false);
  });
});
