import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { runCli } from "../../../test/cli/test-io.ts";
import { readGolden } from "../../../test/golden/golden-file.ts";
import { fixture } from "../../../test/shared-fixtures.ts";
import { evaluate } from "../../engine/evaluate.ts";
import { NetworkRunner } from "../../engine/network-runner.ts";
import { openBackend, openModel } from "../../node.ts";
import { windowsOf } from "./perplexity.ts";

const model = fixture("v3-tiny")!;
const { short_text: text } = JSON.parse(readFileSync(path.join(model, "golden.json"), "utf8"));

/** Mean over rows of -ln softmax(logits)[next], in plain loops. */
function meanNll(logits: ArrayLike<number>, width: number, ids: ArrayLike<number>): number {
  let total = 0;
  for (let row = 0; row + 1 < ids.length; row++) {
    let sum = 0;
    for (let i = 0; i < width; i++) sum += Math.exp(logits[row * width + i]!);
    total += Math.log(sum) - logits[row * width + ids[row + 1]!]!;
  }
  return total / (ids.length - 1);
}

describe("deepts perplexity", () => {
  it("is that of the golden logits, BOS first", async () => {
    const golden = await readGolden(path.join(model, "golden.safetensors"));
    const [ids, logits] = [golden.get("input_ids")!.values, golden.get("logits")!];
    const want = meanNll(logits.values, logits.shape[1]!, ids);
    const { code, stdout } = await runCli(["perplexity", "--model", model, "-", "--json"], { input: text });
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ tokens: ids.length, scored: ids.length - 1, ctxSize: 2048, stride: 1024 });
    expect(result.meanNll).toBeCloseTo(want, 4);
    expect(result.perplexity).toBeCloseTo(Math.exp(want), 2);
  });

  it("scores each token in the first window that holds it", async () => {
    const [size, stride] = [16, 5];
    const golden = await readGolden(path.join(model, "golden.safetensors"));
    const ids = golden.get("input_ids")!.values as Int32Array;
    const { checkpoint } = await openModel(model);
    const backend = await openBackend("reference");
    onTestFinished(async () => {
      backend.close();
      await checkpoint.close();
    });
    const runner = await NetworkRunner.load(checkpoint, backend, { pages: 1, maxRows: size });
    let total = 0;
    for (let next = 1; next < ids.length; next++) {
      const start = next < size ? 0 : stride * Math.ceil((next - size + 1) / stride);
      for await (const { outputs, rows } of evaluate(runner, ids.slice(start, next))) {
        const logits = (await outputs.logits!.read()) as Float32Array;
        const last = logits.slice((rows - 1) * (logits.length / rows));
        total += meanNll(last, last.length, [0, ids[next]!]);
      }
    }
    const args = ["perplexity", "--model", model, "-", "--json", "--ctx-size", `${size}`, "--stride", `${stride}`];
    const result = JSON.parse((await runCli(args, { input: text })).stdout);
    expect(result).toMatchObject({ tokens: ids.length, scored: ids.length - 1, ctxSize: size, stride });
    expect(result.meanNll).toBeCloseTo(total / (ids.length - 1), 5);
  });

  it("prints three lines for people", async () => {
    const { stdout } = await runCli(["perplexity", "--model", model, "-"], { input: text });
    expect(stdout).toMatch(
      /^tokens {6}42 \(41 scored, window 2048, stride 1024\)\nmean NLL {4}\d+\.\d{6}\nperplexity {2}\d+\.\d{4}\n$/,
    );
  });

  it.each([
    [[], "", "FILE: - has no token that could be predicted"],
    [["--ctx-size", "9999"], "a", "--ctx-size: 9999, but this model reads at most 2560 tokens"],
    [["--ctx-size", "8", "--stride", "8"], "a", "--stride: 8, but windows of 8 tokens must overlap: want at most 7"],
  ])("refuses %j for %j", async (args, input, says) => {
    const { code, stderr } = await runCli(["perplexity", "--model", model, "-", ...args], { input });
    expect([code, stderr]).toEqual([2, `deepts: ${says}\n`]);
  });
});

describe("windowsOf", () => {
  it.each([
    [2, 8, 4],
    [8, 8, 4],
    [9, 8, 4],
    [100, 8, 7],
    [100, 8, 1],
    [101, 10, 3],
  ])("scores each of %i tokens but the first once, in windows of %i with stride %i", (length, size, stride) => {
    const windows = windowsOf(length, size, stride);
    const scored = windows.flatMap(({ firstScored, end }) =>
      Array.from({ length: end - firstScored }, (_, i) => firstScored + i),
    );
    expect(scored).toEqual(Array.from({ length: length - 1 }, (_, i) => i + 1));
    for (const [i, { start, end, firstScored }] of windows.entries()) {
      expect(end - start).toBeLessThanOrEqual(size);
      expect(firstScored - start, "tokens before").toBeGreaterThanOrEqual(i === 0 ? 1 : size - stride);
    }
  });
});
