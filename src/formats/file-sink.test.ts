import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
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

it.skipIf(process.platform === "win32")("writes into a pipe, and leaves it a pipe", async () => {
  const pipe = path.join(dir, "pipe");
  await promisify(execFile)("mkfifo", [pipe]);
  const [got] = await Promise.all([readFile(pipe), saveFile(pipe, pieces(false))]);
  expect([...got]).toEqual([1, 2, 3]);
  expect((await stat(pipe)).isFIFO()).toBe(true);
  expect(await readdir(dir)).not.toContainEqual(expect.stringMatching(/\.part$/));
});
