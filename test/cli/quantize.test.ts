import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { beforeAll, expect, it, onTestFinished } from "vitest";
import { embeddedModelPath } from "../../src/node.ts";
import { built, command, Running } from "./spawn-deepts.ts";

beforeAll(built, 600_000);

it("a file that may not grow so large is an error that says so, and nothing is left of it", async (t) => {
  if (process.platform === "win32") return t.skip("Windows has no such limit");
  const folder = mkdtempSync(path.join(os.tmpdir(), "deepts-limit-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const out = path.join(folder, "o.gguf");
  const limited = 'ulimit -f 2000; exec "$@"';
  const deepts = [process.execPath, command, "quantize", embeddedModelPath(), out, "--type", "F16"];
  const { code, stderr } = await new Running("bash", ["-c", limited, "bash", ...deepts]).ended;
  expect(stderr).toMatch(/o.gguf: larger than a file may be here; what was written is removed/);
  expect(code).toBe(1);
  expect(readdirSync(folder)).toEqual([]);
});
