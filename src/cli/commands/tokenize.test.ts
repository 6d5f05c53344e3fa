import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { runCli } from "../../../test/cli/test-io.ts";
import { fixture, NO_SHARED } from "../../../test/shared-fixtures.ts";

const model = fixture("v3-tiny")!;

describe("deepts tokenize", () => {
  it("prints the ids of stdin as it is: no BOS, the line end too", async () => {
    const plain = await runCli(["tokenize", "--model", model], { input: "Hello\n" });
    const json = await runCli(["tokenize", "--model", model, "--json"], { input: "Hello\n" });
    expect(plain).toEqual({ code: 0, stdout: "42 494 324 201\n", stderr: "" });
    expect(json).toEqual({ code: 0, stdout: "[42,494,324,201]\n", stderr: "" });
  });

  it("prints one token a line with its text", async () => {
    const { stdout } = await runCli(["tokenize", "--model", model, "--pieces"], { input: "Hello\n" });
    expect(stdout).toBe('42\t"H"\n494\t"el"\n324\t"lo"\n201\t"\\n"\n');
  });

  it("needs the tokenizer files only, and takes a GGUF too", async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "deepts-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    for (const name of ["tokenizer.json", "tokenizer_config.json"])
      cpSync(path.join(model, name), path.join(folder, name));
    for (const place of [folder, fixture("gguf", "v3-tiny-Q8_0.gguf")!]) {
      const { stdout } = await runCli(["tokenize", "--model", place], { input: "Hello" });
      expect(stdout).toBe("42 494 324\n");
    }
  });

  it("gives the golden ids, special tokens in the text parsed or not", async (test) => {
    const file = fixture("tokenizer", "tiny.jsonl") ?? test.skip(NO_SHARED);
    const records = readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    // Each run loads the vocabulary anew: a part of them shows that the command adds nothing.
    for (const { text, text_utf16, ids, ids_plain } of records.filter((_, i) => i % 10 === 0)) {
      if (text_utf16) continue;
      const args = ["tokenize", "--model", model, "--json"];
      expect(JSON.parse((await runCli([...args, "--special"], { input: text })).stdout), text).toEqual(ids);
      expect(JSON.parse((await runCli(args, { input: text })).stdout), text).toEqual(ids_plain);
    }
  });

  it("refuses a folder without a tokenizer", async () => {
    const { code, stderr } = await runCli(["tokenize", "--model", "src"], { input: "x" });
    expect([code, stderr]).toEqual([
      3,
      expect.stringMatching(/^deepts: src: has neither tokenizer\.json nor tiktoken/),
    ]);
  });
});
