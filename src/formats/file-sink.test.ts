import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { saveFile } from "./file-sink.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "file-sink-"));
});
afterAll(() => rm(dir, { recursive: true }));

async function* pieces(fail: boolean) {
  yield Uint8Array.of(1, 2);
  if (fail) throw new Error("disk on fire");
  yield Uint8Array.of(3);
}

it("writes all pieces in order", async () => {
  const file = path.join(dir, "a");
  await saveFile(file, pieces(false));
  expect([...(await readFile(file))]).toEqual([1, 2, 3]);
});

it("leaves the old file, and nothing else, when a write fails", async () => {
  const file = path.join(dir, "a");
  await writeFile(file, "old");
  await expect(saveFile(file, pieces(true))).rejects.toThrow("disk on fire");
  expect(await readFile(file, "utf8")).toBe("old");
  expect(await readdir(dir)).toEqual(["a"]);
});
