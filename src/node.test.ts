import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BackendUnavailableError, FormatError } from "./errors.ts";
import { embeddedModelPath, loadModel, openBackend, openModel } from "./node.ts";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "deepts-node-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function module(name: string, source: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, source);
  return file;
}

describe("a backend", () => {
  it("is opened by name, and auto finds one", async () => {
    for (const choice of [undefined, "auto", "reference"]) {
      const backend = await openBackend(choice);
      expect(backend.describe().ops.size).toBeGreaterThan(10);
      backend.close();
    }
  });

  it("that is not known is refused with those that are", async () => {
    await expect(openBackend("nosuch")).rejects.toThrow(/nosuch.*reference/);
  });

  it("from outside is refused when it is no backend, saying why", async () => {
    const cases: [string, RegExp][] = [
      [path.join(folder, "absent.mjs"), /cannot be imported/],
      [module("syntax.mjs", "export ("), /cannot be imported/],
      [module("empty.mjs", "export {}"), /no function createBackend/],
      [module("half.mjs", "export const createBackend = () => ({ describe() {} })"), /no method loadWeight/],
      [module("null.mjs", "export const createBackend = () => null"), /no method describe/],
    ];
    for (const [file, message] of cases) {
      const refused = openBackend(file);
      await expect(refused).rejects.toBeInstanceOf(BackendUnavailableError);
      await expect(refused).rejects.toThrow(message);
    }
  });
});

describe("a model", () => {
  it("that is not there is named, with what is wanted", async () => {
    const refused = openModel(path.join(folder, "absent.gguf"));
    await expect(refused).rejects.toBeInstanceOf(FormatError);
    await expect(refused).rejects.toThrow(/absent\.gguf.*no such file.*--model/);
  });

  it("is named after its file", async () => {
    const { checkpoint, name } = await openModel(embeddedModelPath());
    expect(name).toBe("deepts-tiny-Q8_0");
    expect(checkpoint.config).toMatchObject({ numHiddenLayers: 6, numNextnPredictLayers: 1, vocabSize: 4096 });
    await checkpoint.close();
  });

  it("whose loading fails frees what was opened, and close may be called twice", async () => {
    await expect(loadModel(embeddedModelPath(), { contextSize: 1e6 })).rejects.toThrow(/--ctx-size/);
    const { close } = await loadModel(undefined, { contextSize: 64, parallel: 1 });
    await close();
    await close();
  });

  it("has the cache that it was given, and with `deterministic` reads again what was generated", async () => {
    await expect(loadModel(undefined, { cacheMemory: 1000 })).rejects.toThrow(/--cache-memory: 0\.0 MiB.*--ctx-size/);
    const cached = async (deterministic: boolean) => {
      const { engine, close } = await loadModel(undefined, { contextSize: 128, cacheMemory: 2 ** 20, deterministic });
      expect(engine.memory.cache).toBeLessThanOrEqual(2 ** 20);
      const found: number[] = [];
      for (let turn = 0, prompt = Array<number>(20).fill(9); turn < 2; turn++) {
        for await (const event of engine.generate({ prompt, maxTokens: 20, ignoreEndTokens: true })) {
          if (event.type === "end") found.push(event.cachedPromptTokens);
          else prompt = [...prompt, event.token];
        }
      }
      await close();
      return found;
    };
    expect(await cached(false)).toEqual([0, 32]);
    expect(await cached(true)).toEqual([0, 0]);
  });

  it("stops loading when it is told to", async () => {
    const abort = new AbortController();
    const loading = loadModel(undefined, { signal: abort.signal, onProgress: () => abort.abort(new Error("enough")) });
    await expect(loading).rejects.toThrow("enough");
  });
});
