import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { fixture } from "../../test/shared-fixtures.ts";
import { collect } from "../../test/tiny-files.ts";
import { openTiny } from "../../test/tiny-network.ts";
import { ConfigError, FormatError } from "../errors.ts";
import type { ByteFolder } from "../formats/byte-source.ts";
import { memoryFolder } from "../formats/byte-source.ts";
import { safetensorsChunks } from "../formats/safetensors-writer.ts";
import { openCheckpoint, readJson } from "./checkpoint.ts";
import { recordMtp, recordNetwork } from "./network.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const config = () => readFileSync(path.join(fixture("v3-tiny")!, "config.json"));

/** A folder that counts the files which are open. */
function counting(
  folder: ByteFolder,
): ByteFolder & { open(name: string): ReturnType<ByteFolder["open"]>; opened(): number } {
  let opened = 0;
  return {
    name: folder.name,
    has: (name) => folder.has(name),
    opened: () => opened,
    async open(name) {
      const source = await folder.open(name);
      opened++;
      const close = async () => {
        opened--;
        await source.close();
      };
      return { ...source, close };
    },
  };
}

async function v3Tensors(keep: (name: string) => boolean): Promise<Uint8Array> {
  const { file, close } = await openTiny("v3-tiny");
  const kept = [...file.tensors.values()].filter(({ name }) => keep(name));
  const written = kept.map(({ name, dtype, shape, read }) => ({ name, dtype, shape, data: read }));
  const all = await collect(safetensorsChunks(written));
  await close();
  return all;
}

describe("opening a checkpoint", () => {
  it("of DeepSeek-V3 finds its MTP layer", async () => {
    const checkpoint = await openTiny("v3-tiny");
    expect(checkpoint.config.numNextnPredictLayers).toBe(1);
    expect(checkpoint.notes).toEqual([]);
    expect(recordMtp(checkpoint.config, checkpoint.weights).weights.has("layers.4.ehProj")).toBe(true);
    await checkpoint.close();
  });

  it("whose MTP layer was left out, as fine-tunes do, runs without it and says so", async () => {
    const model = await v3Tensors((name) => !name.startsWith("model.layers.4."));
    const checkpoint = await openCheckpoint(memoryFolder({ "config.json": config(), "model.safetensors": model }));
    expect(checkpoint.config.numNextnPredictLayers).toBe(0);
    expect(checkpoint.notes).toEqual([expect.stringContaining("1 MTP layer")]);
    expect(() => recordNetwork(checkpoint.config, checkpoint.weights)).not.toThrow();
  });

  it("uses the main embedding and head where the MTP layer has no copies", async () => {
    const model = await v3Tensors((name) => !/layers\.4\.(embed_tokens|shared_head\.head)/.test(name));
    const folder = memoryFolder({ "config.json": config(), "model.safetensors": model });
    const { config: c, weights } = await openCheckpoint(folder);
    expect([...recordMtp(c, weights).weights.keys()]).toEqual(expect.arrayContaining(["embed", "head"]));
  });

  it.each([
    { what: "no config.json", files: {}, error: FormatError },
    { what: "a config.json that is no JSON", files: { "config.json": bytes("{") }, error: ConfigError },
    { what: "a config.json without weights", files: { "config.json": config() }, error: FormatError },
    {
      what: "weights that are no safetensors",
      files: { "config.json": config(), "model.safetensors": bytes("no") },
      error: FormatError,
    },
  ])("with $what is refused", async ({ files, error }) => {
    await expect(openCheckpoint(memoryFolder(files as Record<string, Uint8Array>))).rejects.toBeInstanceOf(error);
  });

  it("leaves no file open when it fails, and none after close", async () => {
    const model = await v3Tensors(() => true);
    const gguf = new Uint8Array(readFileSync(fixture("gguf", "v3-tiny-Q8_0.gguf")!));
    const wrongBlock = { ...JSON.parse(config().toString()), quantization_config: { quant_method: "fp8" } };
    const damaged = gguf.slice(); // another architecture: headers are read, then the config is refused
    damaged.set(bytes("deepseekX"), Buffer.from(gguf).indexOf("deepseek2"));
    const folder = counting(
      memoryFolder({ "config.json": bytes(JSON.stringify(wrongBlock)), "model.safetensors": model, "m.gguf": damaged }),
    );
    await expect(openCheckpoint(folder)).rejects.toThrow("weight_block_size");
    await expect(openCheckpoint(folder, "m.gguf")).rejects.toThrow("deepseekX");
    expect(folder.opened()).toBe(0);
    const good = counting(memoryFolder({ "config.json": config(), "model.safetensors": model, "m.gguf": gguf }));
    for (const name of [undefined, "m.gguf"]) {
      const checkpoint = await openCheckpoint(good, name);
      expect(good.opened()).toBe(1);
      await checkpoint.close();
      expect(good.opened()).toBe(0);
    }
  });

  it("does not read an endless config.json", async () => {
    const folder = memoryFolder({ "config.json": bytes(`"${"x".repeat(100)}"`) });
    await expect(readJson(folder, "config.json", 50)).rejects.toThrow("longer than 50 bytes");
    await expect(readJson(folder, "config.json")).resolves.toHaveLength(100);
  });
});
