import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openReference } from "../../src/backends/reference/backend.ts";
import { convertDirectory } from "../../src/convert/hf-directory.ts";
import { EMBEDDED_MODEL } from "../../src/embedded.ts";
import { evaluate, pagesFor } from "../../src/engine/evaluate.ts";
import { NetworkRunner } from "../../src/engine/network-runner.ts";
import { embeddedModelPath, loadText, openModel } from "../../src/node.ts";
import { fixture, NO_SHARED, sharedDir } from "../shared-fixtures.ts";

const TOKENS = Int32Array.from([0, 17, 300, 42, 7, 511, 99, 100]);

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "deepts-convert-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Logits of the main network and of its MTP layer, all rows. */
async function logits(model: string): Promise<{ main: number[]; mtp: number[] }> {
  const { checkpoint } = await openModel(model);
  const backend = openReference();
  try {
    const runner = await NetworkRunner.load(checkpoint, backend, { pages: pagesFor(TOKENS.length), mtp: true });
    const main: number[] = [];
    const mtp: number[] = [];
    for await (const step of evaluate(runner, TOKENS, { mtp: runner.hasMtp })) {
      main.push(...(await step.outputs.logits!.read()));
      if (step.mtp) mtp.push(...(await step.mtp.logits!.read()));
    }
    return { main, mtp };
  } finally {
    backend.close();
    await checkpoint.close();
  }
}

const ABOUT = { name: "test", license: "mit" };

describe("a directory written as GGUF", () => {
  it.for(["v3-tiny", "v2-lite-tiny", "v3-fp8"])(
    "computes the same as %s itself, MTP layer included",
    async (family, t) => {
      const directory = fixture(family);
      if (!directory) return t.skip(NO_SHARED);
      const file = path.join(folder, `${family}.gguf`);
      await convertDirectory(directory, file, "F32", ABOUT);
      const [want, got] = [await logits(directory), await logits(file)];
      expect(got.mtp).toHaveLength(want.mtp.length);
      for (const part of ["main", "mtp"] as const) {
        const worst = Math.max(0, ...want[part].map((value, i) => Math.abs(value - got[part][i]!)));
        expect(worst).toBeLessThan(1e-4);
      }
    },
  );

  it("has the same vocabulary, end tokens and template", async () => {
    const directory = fixture("v3-tiny")!;
    const file = path.join(folder, "text.gguf");
    await convertDirectory(directory, file, "Q8_0", ABOUT);
    const [want, got] = [await loadText(directory), await loadText(file)];
    expect(got.chatTemplate).toBe(want.chatTemplate);
    expect(got.endTokens).toEqual(want.endTokens);
    const text = "The quick brown fox <｜User｜> 深度学 jumps\n\n over 12345 dogs";
    expect(got.tokenizer.encode(text, { special: true })).toEqual(want.tokenizer.encode(text, { special: true }));
    expect(got.tokenizer.addBos).toBe(want.tokenizer.addBos);
  });

  it("leaves no file behind when the directory is not a model", async () => {
    const out = path.join(folder, "none.gguf");
    await expect(convertDirectory(folder, out, "F32", ABOUT)).rejects.toThrow(/config.json/);
    expect(existsSync(out)).toBe(false);
  });
});

describe("the embedded model", () => {
  it("is what the script makes of the recipe's weights, byte for byte", async (t) => {
    const directory = path.join(sharedDir, "models", "deepts-tiny");
    if (!existsSync(directory)) t.skip(NO_SHARED);
    const out = path.join(folder, "embedded.gguf");
    await convertDirectory(directory, out, "Q8_0", EMBEDDED_MODEL.general);
    const hash = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
    expect(hash(out)).toBe(hash(embeddedModelPath()));
  });

  it("is no larger than 28 MB", () => {
    expect(readFileSync(embeddedModelPath()).length).toBeLessThan(28e6);
  });
});
