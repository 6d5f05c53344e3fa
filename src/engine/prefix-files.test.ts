import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { ConfigError } from "../errors.ts";
import { pageFileBytes } from "./page-file.ts";
import { openPrefixFiles, type PrefixFilesOptions } from "./prefix-files.ts";
import type { PageAddress, PrefixStore } from "./prefix-store.ts";

const PAGE_BYTES = 100;
const TOKENS = [5, -1, 129_279, 7];
const FILE_BYTES = pageFileBytes(TOKENS.length, PAGE_BYTES);
const PAGE = { promptRows: 4, bytes: Uint8Array.from({ length: PAGE_BYTES }, (_, i) => i) };

let folder: string;
const warnings: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "deepts-prefixes-"));
  warnings.length = 0;
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

function open(options: Partial<PrefixFilesOptions> = {}): Promise<PrefixStore> {
  const warn = (line: string) => void warnings.push(line);
  return openPrefixFiles({
    fingerprint: "model a",
    pageBytes: PAGE_BYTES,
    maxBytes: 2 ** 20,
    folder,
    warn,
    ...options,
  });
}

/** The first page of a text. */
const first = (store: PrefixStore, salt = "", tokens: readonly number[] = TOKENS) =>
  store.next(store.beginning(salt), tokens);

const fileOf = ({ id, parent }: PageAddress) => path.join(folder, `${id}-${parent.slice(0, 16)}.page`);

describe("a page that was saved", () => {
  it("is there for whoever opens the folder later", async () => {
    const store = await open();
    const address = first(store);
    expect(await store.load(address)).toBeNull();
    expect(await store.save(address, PAGE)).toBe(true);
    const later = await open();
    expect(await later.load(first(later))).toEqual(PAGE);
    expect(warnings).toEqual([]);
    expect((await stat(fileOf(address))).size).toBe(FILE_BYTES);
  });

  it("is not there for another text, salt or model", async () => {
    const store = await open();
    await store.save(first(store), PAGE);
    expect(await store.load(first(store, "", [...TOKENS.slice(0, 3), 8]))).toBeNull();
    expect(await store.load(store.next(first(store).id, TOKENS))).toBeNull();
    expect(await store.load(first(store, "key"))).toBeNull();
    const other = await open({ fingerprint: "model b" });
    expect(await other.load(first(other))).toBeNull();
    expect(warnings).toEqual([]);
  });

  it("shows nothing of its salt", async () => {
    const store = await open();
    const salt = "5e884898da28047151d0e56f8dc62927";
    const address = first(store, salt);
    await store.save(address, PAGE);
    const content = await readFile(fileOf(address));
    for (const form of [salt, Buffer.from(salt, "hex")]) expect(content.includes(form)).toBe(false);
    expect((await readdir(folder)).join()).not.toContain(salt.slice(0, 12));
  });

  it("is for its owner's eyes alone", async (t) => {
    if (process.platform === "win32") t.skip("Windows has no modes of files");
    const store = await open({ folder: path.join(folder, "new") });
    const address = first(store);
    await store.save(address, PAGE);
    const inside = path.join(folder, "new", path.basename(fileOf(address)));
    expect((await stat(inside)).mode & 0o777).toBe(0o600);
    expect((await stat(path.dirname(inside))).mode & 0o777).toBe(0o700);
  });
});

describe("what a store tells of itself", () => {
  const told = (pages: number, counts: Partial<PrefixStore["activity"]> = {}) => {
    const none = { hits: 0, misses: 0, writes: 0, damaged: 0 };
    return { pages, bytes: pages * FILE_BYTES, ...none, ...counts };
  };

  it("counts what is there, found, missed, written and damaged", async () => {
    const store = await open();
    expect(store.activity).toEqual(told(0));
    const [a, b] = [first(store, "a"), first(store, "b")];
    for (const address of [a, b]) await store.save(address, PAGE);
    for (const address of [a, b, first(store, "c")]) await store.load(address);
    expect(store.activity).toEqual(told(2, { writes: 2, hits: 2, misses: 1 }));
    expect((await open()).activity).toEqual(told(2));
    const bytes = await readFile(fileOf(a));
    bytes[40]! ^= 1;
    await writeFile(fileOf(a), bytes);
    await store.load(a);
    expect(store.activity).toEqual(told(1, { writes: 2, hits: 2, misses: 2, damaged: 1 }));
  });

  it("leaves out what had to go", async () => {
    const store = await open({ maxBytes: 4 * FILE_BYTES });
    for (let i = 0; i < 9; i++) await store.save(first(store, String(i)), PAGE);
    const files = (await readdir(folder)).length;
    expect(files).toBeLessThan(5);
    expect(store.activity).toEqual(told(files, { writes: 9 }));
  });
});

describe("a file that is not as it was written", () => {
  /** Saves, lets `spoil` at the bytes of the file, and loads. */
  async function loadSpoilt(spoil: (bytes: Buffer) => Uint8Array): Promise<unknown> {
    const store = await open();
    const address = first(store);
    await store.save(address, PAGE);
    await writeFile(fileOf(address), spoil(await readFile(fileOf(address))));
    const loaded = await store.load(address);
    expect(await readdir(folder), "removed").toEqual([]);
    expect(warnings).toEqual([expect.stringContaining(fileOf(address))]);
    warnings.length = 0;
    expect(await store.save(address, PAGE), "saved anew").toBe(true);
    expect(await store.load(address)).toEqual(PAGE);
    return loaded;
  }

  it("is ignored with a warning that names it, whichever byte was changed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(FILE_BYTES - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const loaded = await loadSpoilt((bytes) => {
          bytes[at]! ^= change;
          return bytes;
        });
        expect(loaded).toBeNull();
      }),
    );
  });

  it.each([
    ["empty", () => new Uint8Array()],
    ["a byte short", (bytes: Buffer) => bytes.subarray(0, -1)],
    ["a byte long", (bytes: Buffer) => Buffer.concat([bytes, Buffer.of(0)])],
    ["all zeros", (bytes: Buffer) => bytes.fill(0)],
  ])("is ignored when it is %s", async (_, spoil) => {
    expect(await loadSpoilt(spoil)).toBeNull();
  });

  it.each([
    ["holds other tokens", (store: PrefixStore) => first(store, "", TOKENS.toReversed())],
    ["stands elsewhere in its text", (store: PrefixStore) => store.next(first(store).id, TOKENS)],
    ["is of another salt", (store: PrefixStore) => first(store, "key")],
  ])("is refused when it %s, though its checksum is right", async (_, otherIn) => {
    const store = await open();
    await loadInPlaceOf(store, otherIn(store), store);
  });

  it("is refused when it is of another model of the same size", async () => {
    const other = await open({ fingerprint: "model b" });
    await loadInPlaceOf(other, first(other), await open());
  });

  /** Gives a file the name of another. */
  async function loadInPlaceOf(writer: PrefixStore, other: PageAddress, reader: PrefixStore): Promise<void> {
    await writer.save(other, PAGE);
    await rename(fileOf(other), fileOf(first(reader)));
    expect(await reader.load(first(reader))).toBeNull();
    expect(warnings).toEqual([expect.stringMatching(/another text, model or version/)]);
  }

  it("is told of once where it cannot be removed", async () => {
    const store = await open();
    const address = first(store);
    const inside = path.join(fileOf(address), "in-the-way");
    await mkdir(fileOf(address));
    await writeFile(inside, "");
    expect([await store.load(address), await store.load(address)]).toEqual([null, null]);
    expect(warnings).toHaveLength(1);
  });
});

describe("the folder", () => {
  it("loses what a killed process had not completed, and nothing else", async () => {
    const store = await open();
    const address = first(store);
    await store.save(address, PAGE);
    const unfinished = `${fileOf(address)}.01234567-89ab-cdef-0123-456789abcdef.tmp`;
    for (const file of [unfinished, path.join(folder, "notes.tmp")]) await writeFile(file, "x");
    const later = await open();
    expect((await readdir(folder)).sort()).toEqual([path.basename(fileOf(address)), "notes.tmp"].sort());
    expect(await later.load(address)).toEqual(PAGE);
  });

  it("holds no more than it may: what was not used for longest goes", async () => {
    let time = 1e12;
    const store = await open({ maxBytes: 4 * FILE_BYTES, now: () => (time += 1000) });
    const texts = Array.from({ length: 5 }, (_, i) => first(store, "", [1, 2, 3, i]));
    for (const address of texts.slice(0, 4)) await store.save(address, PAGE);
    await store.load(texts[0]!);
    expect(await store.save(texts[4]!, PAGE)).toBe(true);
    const left = await Promise.all(texts.map(async (address) => (await store.load(address)) !== null));
    expect([left[0], left[1], left[4]]).toEqual([true, false, true]);
    expect(await bytesIn(folder)).toBeLessThanOrEqual(4 * FILE_BYTES);
    for (let i = 0; i < 50; i++) {
      await store.save(first(store, "many", [0, 0, 0, i]), PAGE);
      expect(await bytesIn(folder)).toBeLessThanOrEqual(4 * FILE_BYTES);
    }
    expect(warnings).toEqual([]);
  });

  it("takes no page that is larger than all it may hold", async () => {
    const store = await open({ maxBytes: FILE_BYTES - 1 });
    expect(await store.save(first(store), PAGE)).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });

  it("serves two processes at once", async () => {
    const [one, two] = [await open(), await open()];
    const texts = Array.from({ length: 20 }, (_, i) => first(one, "", [i, 0, 0, 0]));
    const saved = await Promise.all(texts.flatMap((address) => [one.save(address, PAGE), two.save(address, PAGE)]));
    expect(saved).not.toContain(false);
    for (const address of texts) expect(await two.load(address)).toEqual(PAGE);
    expect(await readdir(folder)).toHaveLength(20);
    expect(warnings).toEqual([]);
  });

  it("is made anew when somebody has removed it", async () => {
    const store = await open();
    await store.save(first(store), PAGE);
    await rm(folder, { recursive: true });
    expect(await store.touch(first(store))).toBe(false);
    await store.save(first(store), PAGE);
    expect(await store.save(first(store), PAGE)).toBe(true);
    expect(warnings).toEqual([]);
  });

  it("that cannot be had is an error that names the flag and the folder", async () => {
    const file = path.join(folder, "file");
    await writeFile(file, "");
    await expect(open({ folder: file })).rejects.toThrow(ConfigError);
    await expect(open({ folder: file })).rejects.toThrow(/--prefix-cache.*file/);
  });

  it.each([0, -1, Number.NaN])("that may hold %s bytes is an error that names the flag", async (maxBytes) => {
    await expect(open({ maxBytes })).rejects.toThrow(/--prefix-cache-size.*above 0/);
  });

  it("that takes no more is told of once, left alone for a while, and tried again", async () => {
    let time = 1e12;
    const store = await open({ now: () => time });
    await rm(folder, { recursive: true });
    await writeFile(folder, "in the way");
    expect(await store.save(first(store), PAGE)).toBe(false);
    expect(store.accepts).toBe(false);
    expect(warnings).toEqual([expect.stringMatching(new RegExp(`${folder} .*answers go on`))]);
    time += 61_000;
    expect(store.accepts).toBe(true);
    expect(await store.save(first(store), PAGE)).toBe(false);
    expect(warnings, "the same reason").toHaveLength(1);
    await rm(folder);
    time += 61_000;
    expect(await store.save(first(store), PAGE)).toBe(true);
  });
});

async function bytesIn(directory: string): Promise<number> {
  const sizes = (await readdir(directory)).map(async (name) => (await stat(path.join(directory, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
