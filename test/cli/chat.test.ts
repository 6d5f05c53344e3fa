import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { fixture } from "../shared-fixtures.ts";
import { skipMissing } from "../skip.ts";
import { endlessModel } from "./endless-model.ts";
import { built, command, deepts, Running, root, start } from "./spawn-deepts.ts";

const GREEDY = ["chat", "--temperature", "0"];

beforeAll(built);

describe("deepts chat from a pipe", () => {
  it("answers each line, knows what was said, and obeys commands", async () => {
    const turns = [
      "My name is Tom.",
      "",
      "What is my name?",
      "/reset",
      "What is my name?",
      "/what",
      "/help",
      "/exit",
      "Hi",
    ];
    const { code, stdout, stderr } = await deepts([...GREEDY, "--deterministic"], { input: turns.join("\n") });
    expect(code).toBe(0);
    const answers = stdout.trimEnd().split("\n");
    expect(answers).toHaveLength(3);
    expect(answers[1]).toContain("Tom");
    expect(answers[2]).not.toContain("Tom");
    expect(stderr).toMatch(/^no command \/what: \/reset forgets .*\n\/reset forgets .*\n$/);
  });

  it("stops an answer on SIGINT and goes on with the next line", async () => {
    const chat = start(["chat", "--model", endlessModel()]);
    chat.child.stdin.write("Hello\n");
    await chat.until(/./);
    chat.child.kill("SIGINT");
    chat.child.stdin.end("/help\n");
    const { code, stdout, stderr } = await chat.ended;
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^\/reset forgets .*\n$/)]);
    expect(stdout.endsWith("\n")).toBe(true);
  });

  it.each([
    ["SIGINT", 0],
    ["SIGTERM", 143],
  ] as const)("leaves on %s while it waits for a line, with %i", async (signal, code) => {
    const chat = start(GREEDY);
    chat.child.stdin.write("Hello\n");
    await chat.until(/\n$/);
    chat.child.kill(signal);
    expect((await chat.ended).code).toBe(code);
  });

  it("puts reasoning on stderr", async () => {
    const input = "What is the capital of France?\n";
    const { stdout, stderr } = await deepts([...GREEDY, "--thinking"], { input });
    expect(stdout).toBe("The capital of France is Paris.\n");
    expect(stderr).toMatch(/^The user asks .*\n\n$/);
  });

  it("ends with the error where a turn fails", async () => {
    const { code, stderr } = await deepts([...GREEDY, "--ctx-size", "4"], { input: "Hello\n" });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^deepts: the prompt has 5 tokens, but the context/)]);
  });

  it("says that a model has no chat template", async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "deepts-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    for (const name of ["config.json", "model.safetensors", "tokenizer.json"]) {
      cpSync(path.join(fixture("v3-tiny")!, name), path.join(folder, name));
    }
    const { code, stderr } = await deepts(["chat", "--model", folder], { input: "Hello\n" });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^deepts: this model has no chat template; .*\n$/)]);
  });
});

/** util-linux's `script` gives a program a terminal and passes on what is typed. */
function startInTerminal(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const line = [process.execPath, command, ...args].map((word) => `'${word}'`).join(" ");
  return new Running("script", ["--quiet", "--return", "--command", line, "/dev/null"], { TERM: "xterm", ...env });
}

const hasScript = process.platform === "linux" && existsSync("/usr/bin/script");

describe("deepts chat in a terminal", () => {
  it("stops an answer on Ctrl-C, clears a line, and leaves at an empty one", async (test) => {
    if (!hasScript) skipMissing(test, "the command script of util-linux");
    const chat = startInTerminal(["chat", "--model", endlessModel()]);
    await chat.until(/leaves, [\s\S]*> /);
    chat.child.stdin.write("Hello\r");
    await chat.until(/Hello[\r\n]+[^\r\n]/);
    chat.child.stdin.write("\x03");
    await chat.until(/ \[stopped\][\s\S]*> /);
    chat.child.stdin.write("never sent");
    await chat.until(/never sent/);
    chat.child.stdin.write("\x03/help\r");
    await chat.until(/\/help[\r\n]+\/reset forgets [^\n]*\n[^\n]*> /);
    chat.child.stdin.write("\x03");
    const { code, stdout } = await chat.ended;
    expect(code).toBe(0);
    expect(stdout.match(/\[stopped\]/g)).toHaveLength(1);
  });

  it("dims the reasoning, unless NO_COLOR is set; Ctrl-D leaves", async (test) => {
    if (!hasScript) skipMissing(test, "the command script of util-linux");
    const dim = "\x1b[2m";
    for (const env of [{}, { NO_COLOR: "1" }]) {
      const chat = startInTerminal([...GREEDY, "--thinking"], env);
      await chat.until(/leaves[\s\S]*> /);
      chat.child.stdin.write("What is the capital of France?\r");
      await chat.until(/The[^\n]* user[^\n]* asks[\s\S]*The capital of France is Paris\.\r\n[^\n]*> /);
      chat.child.stdin.write("\x04");
      const { code, stdout } = await chat.ended;
      expect(code).toBe(0);
      expect(stdout.includes(`${dim}The`)).toBe(!("NO_COLOR" in env));
      expect(stdout.includes(dim)).toBe(!("NO_COLOR" in env));
    }
  });
});

describe("the command of the checkout", () => {
  it("is found by npx", async () => {
    const npx = new Running("npx", ["--no-install", "deepts", "--version"]);
    expect(await npx.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
    expect(existsSync(path.join(root, "node_modules", ".bin", "deepts"))).toBe(true);
  });
});
