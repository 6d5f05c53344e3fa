import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { fixture, NO_SHARED } from "../shared-fixtures.ts";
import { built, deepts } from "./spawn-deepts.ts";

const model = fixture("v3-tiny")!;
const hello = JSON.stringify([{ role: "user", content: "Hello" }]);
const bos = "<｜begin▁of▁sentence｜>";

/** A directory that is removed after the test. */
function folderWith(files: Record<string, string>): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "deepts-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return folder;
}

beforeAll(built);

describe("deepts render", () => {
  it("prints the prompt and nothing else", async () => {
    const args = ["render", "--model", model, "--messages", "-"];
    expect(await deepts(args, { input: hello })).toMatchObject({
      code: 0,
      stdout: `${bos}<｜User｜>Hello`,
      stderr: "",
    });
    const { stdout } = await deepts([...args, "--add-generation-prompt"], { input: hello });
    expect(stdout).toBe(`${bos}<｜User｜>Hello<｜Assistant｜>`);
  });

  it("gives the golden prompts from a folder that holds tokenizer files only", async (test) => {
    const template = fixture("chat", "deepseek_v3_1.jinja") ?? test.skip(NO_SHARED);
    const config = JSON.parse(readFileSync(path.join(model, "tokenizer_config.json"), "utf8"));
    config.chat_template = readFileSync(template, "utf8");
    const folder = folderWith({ "tokenizer_config.json": JSON.stringify(config) });
    cpSync(path.join(model, "tokenizer.json"), path.join(folder, "tokenizer.json"));
    const records = readFileSync(fixture("chat", "deepseek_v3_1.jsonl")!, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    // Each run starts a thread anew: those that differ in the arguments of the command.
    const chosen = records.filter(({ name }) =>
      ["user, no generation prompt", "thinking on", "thinking off", "one tool call and its output"].includes(name),
    );
    expect(chosen).toHaveLength(4);
    const files = folderWith({});
    for (const { name, messages, kwargs, rendered } of chosen) {
      const [messagesFile, toolsFile] = [path.join(files, "messages.json"), path.join(files, "tools.json")];
      writeFileSync(messagesFile, JSON.stringify(messages));
      writeFileSync(toolsFile, JSON.stringify(kwargs.tools ?? null));
      const { code, stdout } = await deepts([
        "render",
        ...["--model", folder, "--messages", messagesFile],
        ...(kwargs.tools ? ["--tools", toolsFile] : []),
        ...(kwargs.thinking === undefined ? [] : [kwargs.thinking ? "--thinking" : "--no-thinking"]),
        ...(kwargs.add_generation_prompt ? ["--add-generation-prompt"] : []),
      ]);
      expect([code, stdout], name).toEqual([0, rendered]);
    }
  });

  it.each([
    ["{}", "deepts: --messages: want a JSON array of messages, each an object\n"],
    ["[1]", "deepts: --messages: want a JSON array of messages, each an object\n"],
    ["[", expect.stringMatching(/^deepts: --messages: stdin is not valid JSON: .*\n$/)],
  ])("refuses the messages %s", async (input, stderr) => {
    const result = await deepts(["render", "--model", model, "--messages", "-"], { input });
    expect(result).toMatchObject({ code: 2, stdout: "", stderr });
  });

  it("says that a model has no template", async () => {
    const folder = folderWith({});
    cpSync(path.join(model, "tokenizer.json"), path.join(folder, "tokenizer.json"));
    const { code, stderr } = await deepts(["render", "--model", folder, "--messages", "-"], { input: hello });
    expect([code, stderr]).toEqual([2, "deepts: this model has no chat template\n"]);
  });
});
