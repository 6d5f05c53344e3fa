import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openCpu } from "../../src/backends/cpu/backend.ts";
import { divergences } from "../../src/engine/agreement.ts";
import { pagesFor } from "../../src/engine/evaluate.ts";
import { NetworkRunner } from "../../src/engine/network-runner.ts";
import { openFolder } from "../../src/formats/file-source.ts";
import { openCheckpoint } from "../../src/model/checkpoint.ts";
import { ROW_PROMPT } from "../../src/tensor/backend.ts";
import { NO_CPU } from "../cpu-targets.ts";
import { reportGolden } from "../reporter-golden.ts";
import { fixture } from "../shared-fixtures.ts";
import { type GoldenArray, readGolden } from "./golden-file.ts";
import { goldenOf } from "./inventory.ts";
import { median } from "./measure.ts";
import { greedyTokens, logitsInChunks } from "./steps.ts";

/** Types that fast numerics compute on with rounded activations; a file of another type is computed exactly. */
const ROUNDED = /-(Q4_0|Q4_1|Q5_0|Q5_1|Q8_0|Q4_K_M|Q5_K_M|Q6_K|IQ4_NL|IQ4_XS)\.gguf$/;
/** Texts whose last rows llama.cpp's logits are there for: input, logits of exact maths, logits of llama.cpp. */
const TEXTS = [
  ["input_ids", "logits_dequant_f32", "logits_last8_llamacpp"],
  ["long_input_ids", "long_logits_last8_dequant_f32", "long_logits_last8_llamacpp"],
] as const;

/** The last `count` rows. */
function lastRows(values: GoldenArray["values"], width: number, count: number): GoldenArray["values"] {
  return values.slice(values.length - count * width);
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

async function fastRunner(file: string, maxRows: number, threads = 2) {
  const backend = openCpu({ threads });
  const checkpoint = await openCheckpoint(openFolder(fixture("gguf")!), file);
  const runner = await NetworkRunner.load(checkpoint, backend, { pages: pagesFor(400), maxRows, numerics: "auto" });
  await checkpoint.close();
  const close = () => {
    runner.close();
    backend.close();
  };
  return { runner, close };
}

describe("fast numerics", () => {
  const gguf = fixture("gguf");
  const files = gguf === null ? [] : readdirSync(gguf).filter((file) => ROUNDED.test(file));
  const ours: number[] = [];
  const theirs: number[] = [];

  for (const file of files) {
    it(`read ${file} like exact maths, but for rounding`, async (t) => {
      if (NO_CPU !== null) t.skip(NO_CPU);
      const golden = await readGolden(fixture("gguf", goldenOf(file))!);
      const { runner, close } = await fastRunner(file, 64);
      expect(runner.numerics).toBe("fast");
      const fast: number[] = [];
      for (const [input, exact, peer] of TEXTS) {
        const tokens = golden.get(input)?.values as Int32Array | undefined;
        if (tokens === undefined) continue;
        const { values: peerValues, shape } = golden.get(peer)!;
        const [count, width] = shape as [number, number];
        const truth = lastRows(golden.get(exact)!.values, width, count);
        const got = lastRows(await logitsInChunks(runner, tokens, 64, ROW_PROMPT), width, count);
        fast.push(...divergences(truth, got, width));
        theirs.push(...divergences(truth, lastRows(peerValues, width, count), width));
      }
      close();
      ours.push(...fast);
      expect(median(fast)).toBeLessThan(0.05); // measured: 0.001 to 0.01; an expert that flips gives a row up to 2
    });
  }

  it("stay nearer to exact maths than llama.cpp does on the same files", (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    expect(ours.length).toBeGreaterThan(0);
    const [worst, tolerance] = [mean(ours), mean(theirs)];
    const what = "mean KL of fast logits; tolerance: llama.cpp's";
    reportGolden(t.task, { folder: "gguf/, fast numerics", what, worst, tolerance, compared: 1 });
    expect(worst).toBeLessThanOrEqual(tolerance);
    expect(median(ours)).toBeLessThanOrEqual(median(theirs));
  });

  it("give the same text on any number of threads", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const [file] = files;
    const prompt = (await readGolden(fixture("gguf", goldenOf(file!))!)).get("input_ids")!.values as Int32Array;
    const texts: number[][] = [];
    for (const threads of [1, 2, 3]) {
      const { runner, close } = await fastRunner(file!, 64, threads);
      texts.push(await greedyTokens(runner, prompt, 24));
      close();
    }
    expect(texts[1]).toEqual(texts[0]);
    expect(texts[2]).toEqual(texts[0]);
  });
});
