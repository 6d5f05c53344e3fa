import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { endlessModel } from "../../../test/cli/endless-model.ts";
import { runCli, TestIo } from "../../../test/cli/test-io.ts";
import { readGolden } from "../../../test/golden/golden-file.ts";
import { fixture } from "../../../test/shared-fixtures.ts";
import { main } from "../main.ts";

const model = fixture("v3-tiny")!;
const { short_text: text } = JSON.parse(readFileSync(path.join(model, "golden.json"), "utf8"));

function generate(args: string[], options?: ConstructorParameters<typeof TestIo>[0]) {
  return runCli(["generate", "--model", model, "--temperature", "0", ...args], options);
}

describe("deepts generate", () => {
  it("goes on from a raw prompt with the golden ids, and says everything in JSON", async () => {
    const golden = await readGolden(path.join(model, "golden.safetensors"));
    const want = Array.from(golden.get("greedy_ids")!.values).slice(0, 8);
    expect(want).not.toContain(1); // the end token
    const result = await generate(["--raw", "--prompt", "-", "--max-tokens", "8", "--json"], { input: text });
    expect([result.code, result.stderr]).toEqual([0, ""]);
    expect(JSON.parse(result.stdout)).toEqual({
      model: "v3-tiny",
      text: expect.any(String),
      reasoning: "",
      ids: want,
      promptTokens: golden.get("input_ids")!.values.length,
      completionTokens: 8,
      finishReason: "length",
      stopString: null,
      tokensPerSecond: { prefill: expect.any(Number), decode: expect.any(Number) },
    });
    const plain = await generate(["--raw", "--prompt", text, "--max-tokens", "8"]);
    expect(plain).toEqual({ code: 0, stdout: JSON.parse(result.stdout).text, stderr: "" });
    const terminal = await generate(["--raw", "--prompt", text, "--max-tokens", "8"], { terminal: true });
    expect(terminal.stdout.at(-1)).toBe("\n");
  });

  it("ends before a stop string, of which it prints nothing", async () => {
    const args = ["--raw", "--prompt", text, "--max-tokens", "8"];
    const { stdout } = await generate(args);
    const stop = stdout.slice(4, 6);
    const stopped = await generate([...args, "--stop", "no such text", "--stop", stop]);
    expect(stopped.stdout).toBe(stdout.slice(0, stdout.indexOf(stop)));
  });

  it("is the same with the same seed", async () => {
    const sample = async (seed: string) =>
      (await generate(["--raw", "--prompt", "a", "--max-tokens", "12", "--temperature", "2", "--seed", seed])).stdout;
    expect(await sample("7")).toBe(await sample("7"));
    expect(await sample("7")).not.toBe(await sample("8"));
  });

  it.each([
    ["--temperature", ["--temperature", "-1"], '--temperature: want a number (0 to 100), got "-1"'],
    ["--stop", ["--stop", ""], "--stop: want strings that are not empty"],
    [
      "--ctx-size",
      ["--ctx-size", "9999"],
      "--ctx-size: want an integer from 1 to 2560 (the model's own limit), got 9999",
    ],
    ["a prompt that does not fit", ["--raw", "--ctx-size", "4"], "the prompt has 7 tokens, but the context holds 4"],
    ["--system with --raw", ["--raw", "--system", "x"], "--raw: there is no chat template then"],
  ])("refuses %s", async (_what, args, says) => {
    const { code, stdout, stderr } = await generate(["--prompt", "abcdefgh", ...args]);
    expect([code, stdout, stderr]).toEqual([2, "", expect.stringContaining(says)]);
  });

  it("ends with 130 on Ctrl-C", async () => {
    const io = new TestIo({ onOutput: () => io.send("SIGINT") });
    const argv = ["generate", "--model", endlessModel(), "--raw", "--prompt", "a"];
    expect([await main(argv, io), io.err]).toEqual([130, ""]);
  });
});
