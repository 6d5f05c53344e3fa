import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { runCli, TestIo } from "../../../test/cli/test-io.ts";
import { fixture, NO_SHARED } from "../../../test/shared-fixtures.ts";
import { collect } from "../../../test/tiny-files.ts";
import type { GgufValue } from "../../formats/gguf-values.ts";
import { ggufChunks } from "../../formats/gguf-writer.ts";
import { HeaderBuilder } from "../../formats/header-builder.ts";
import { openGgufPath } from "../../formats/open-path.ts";
import type { TensorContent } from "../../formats/tensor-content.ts";
import { embeddedModelPath } from "../../node.ts";
import { encodeF32 } from "../../tensor/decode/encode.ts";
import { main } from "../main.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "deepts-quantize-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
});

async function quantized(from: string, type: string, ...more: string[]): Promise<string> {
  const out = path.join(folder, `${type}.gguf`);
  const { code, stderr } = await runCli(["quantize", from, out, "--type", type, ...more]);
  expect([code, stderr.replace(/^note: .*\n/gm, "")]).toEqual([0, ""]);
  return out;
}

async function nll(model: string): Promise<number> {
  const text = path.join(folder, "text.txt");
  writeFileSync(text, "The little boat went down the river, and the children waved from the bridge.");
  const { code, stdout } = await runCli(["perplexity", text, "--model", model, "--json"]);
  expect(code).toBe(0);
  return JSON.parse(stdout).meanNll;
}

describe("deepts quantize", () => {
  it.each([
    ["Q8_0", 0.001, 7],
    ["Q6_K", 0.05, 18],
    ["Q5_0", 0.1, 8],
    ["Q5_K_M", 0.1, 17],
    ["Q4_K_M", 0.2, 15],
    ["Q4_0", 0.3, 2],
    ["IQ4_NL", 0.3, 25],
    ["IQ4_XS", 0.3, 30],
    ["MXFP4_MOE", 0.3, 38],
  ] as const)("writes the embedded model as %s, which still predicts well", async (type, more, fileType) => {
    const out = await quantized(embeddedModelPath(), type);
    expect(Math.abs((await nll(out)) - (await nll(embeddedModelPath())))).toBeLessThan(more);
    const file = await openGgufPath(out);
    expect(file.metadata.number("general.file_type")).toBe(fileType);
    const before = await openGgufPath(embeddedModelPath());
    expect([...file.tensors.keys()]).toEqual([...before.tensors.keys()]);
    expect([...file.tensors.keys()].some((name) => name.includes("nextn."))).toBe(true);
    expect(file.tensors.get("output_norm.weight")!.dtype).toBe("F32");
    await Promise.all([file.close(), before.close()]);
  });

  it.for(["F16", "BF16", "Q8_0"])("writes the bytes of llama.cpp's %s file", async (type, t) => {
    const [from, want] = ["F32", type].map((name) => fixture("gguf", `v3-tiny-${name}.gguf`));
    if (!from || !want) return t.skip(NO_SHARED);
    const [ours, theirs] = await Promise.all([openGgufPath(await quantized(from, type)), openGgufPath(want)]);
    let compared = 0;
    for (const [name, entry] of theirs.tensors) {
      const own = ours.tensors.get(name)!;
      if (entry.dtype !== type || own.dtype !== type) continue;
      expect(Buffer.compare(await own.read(), await entry.read()), name).toBe(0);
      compared++;
    }
    expect(compared).toBeGreaterThan(30);
    await Promise.all([ours.close(), theirs.close()]);
  });

  it("reads a directory of safetensors, FP8 and MTP layers too", async (t) => {
    const directory = fixture("v3-fp8") ?? t.skip(NO_SHARED);
    const file = await openGgufPath(await quantized(directory, "Q8_0"));
    expect([...file.tensors.keys()].some((name) => name.includes("nextn."))).toBe(true);
    await file.close();
  });

  it.each([
    ["an unknown type", ["--type", "Q9"], /unknown type Q9/],
    ["a type that needs an importance matrix", ["--type", "IQ2_XS"], /--type IQ2_XS needs --imatrix FILE/],
    ["an importance matrix that is not there", ["--type", "Q4_K", "--imatrix", "none.dat"], /none.dat.*no such file/],
    ["an importance matrix that is none", ["--type", "Q4_K", "--imatrix", embeddedModelPath()], /want imatrix/],
  ])("refuses %s and leaves nothing behind", async (_, args, message) => {
    const { code, stderr } = await runCli(["quantize", embeddedModelPath(), path.join(folder, "o.gguf"), ...args]);
    expect([2, 3]).toContain(code);
    expect(stderr).toMatch(message);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("does not write over a file without --force, nor over IN", async () => {
    const out = await quantized(embeddedModelPath(), "Q8_0");
    const again = await runCli(["quantize", embeddedModelPath(), out, "--type", "Q4_0"]);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("--force")]);
    const itself = await runCli(["quantize", out, out, "--type", "Q4_0", "--force"]);
    expect([itself.code, itself.stderr]).toEqual([2, expect.stringContaining("IN itself")]);
    const before = statSync(out).size;
    await runCli(["quantize", embeddedModelPath(), out, "--type", "Q4_0", "--force"]);
    expect(statSync(out).size).toBeLessThan(before);
  });

  it("joins a split model, and says which tensors the importance matrix does not know", async () => {
    const part = async (no: number, ...tensors: TensorContent[]) => {
      const metadata = new Map<string, GgufValue>([
        ["general.architecture", { type: "string", value: "deepseek2" }],
        ["split.no", { type: "u16", value: no }],
        ["split.count", { type: "u16", value: 2 }],
        ["split.tensors.count", { type: "u32", value: 3 }],
      ]);
      const file = path.join(folder, `m-0000${no + 1}-of-00002.gguf`);
      writeFileSync(file, await collect(ggufChunks(metadata, tensors)));
      return file;
    };
    const matrix = (name: string) => {
      const data = () => encodeF32(Float32Array.from({ length: 1024 }, (_, i) => Math.sin(i)));
      return { name, dtype: "F32" as const, shape: [4, 256], data };
    };
    const first = await part(0, matrix("token_embd.weight"), matrix("output.weight"));
    await part(1, matrix("blk.0.ffn_up.weight"));
    const h = new HeaderBuilder();
    const name = new TextEncoder().encode("blk.0.ffn_up.weight");
    for (const field of [1, name.length, name, 1, 256, encodeF32(new Float32Array(256).fill(2))]) {
      if (typeof field === "number") h.u32(field);
      else h.bytes(field);
    }
    const imatrix = path.join(folder, "i.dat");
    writeFileSync(imatrix, h.finish());

    const out = path.join(folder, "o.gguf");
    const { code, stderr } = await runCli(["quantize", first, out, "--type", "IQ2_XS", "--imatrix", imatrix]);
    expect(stderr).toMatch(/^note: .*i.dat has nothing about token_embd.weight: stored as Q2_K, all columns alike$/m);
    expect(code).toBe(0);
    const file = await openGgufPath(out);
    expect([...file.tensors.values()].map(({ name, dtype }) => [name, dtype])).toEqual([
      ["token_embd.weight", "Q2_K"],
      ["output.weight", "Q5_K"],
      ["blk.0.ffn_up.weight", "IQ2_XS"],
    ]);
    expect([...file.metadata.values.keys()].filter((key) => key.startsWith("split."))).toEqual([]);
    expect(file.metadata.number("quantize.imatrix.entries_count")).toBe(1);
    await file.close();
  });

  it.for([
    ["a disk that is full", "/dev/full", /OUT: \/dev\/full: the disk is full/],
    ["a folder that takes no files", "/proc/model.gguf", /OUT: \/proc\/model.gguf: cannot be written/],
  ] as const)("says what is wrong with %s", async ([, out, message], t) => {
    if (process.platform !== "linux") return t.skip("Linux has these places");
    const { code, stderr } = await runCli(["quantize", embeddedModelPath(), out, "--type", "F16", "--force"]);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });

  it("leaves no part of a file when it is interrupted", async () => {
    const io: TestIo = new TestIo({
      terminal: true,
      onError: (text) => {
        if (text.includes("quantising") && readdirSync(folder).some((file) => file.endsWith(".part")))
          io.send("SIGINT");
      },
    });
    const out = path.join(folder, "o.gguf");
    expect(await main(["quantize", embeddedModelPath(), out, "--type", "Q4_K_M"], io)).toBe(130);
    expect(readdirSync(folder)).toEqual([]);
  });
});
