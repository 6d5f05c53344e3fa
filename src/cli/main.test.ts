import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { runCli } from "../../test/cli/test-io.ts";
import * as errors from "../errors.ts";
import { commands } from "./commands.ts";
import { exitCodeOf, UsageError } from "./exit-codes.ts";
import { Interrupted } from "./interrupts.ts";

describe("deepts", () => {
  it("tells its version and its commands", async () => {
    const { code, stdout } = await runCli(["--version"]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
    const help = await runCli(["--help"]);
    expect(help.code).toBe(0);
    for (const { name, summary } of commands)
      expect(help.stdout).toMatch(new RegExp(`${name} .*${summary.slice(0, 30)}`));
  });

  it.each(commands.map((command) => [command.name, command] as const))(
    "%s --help has examples and exit codes",
    async (name, command) => {
      const { code, stdout } = await runCli([name, "--help"]);
      expect(code).toBe(0);
      expect(command.examples.length).toBeGreaterThan(0);
      for (const example of command.examples) expect(stdout).toContain(example.command);
      for (const meaning of Object.values(command.exits)) expect(stdout).toContain(meaning);
    },
  );

  it("says what is wrong in one line on stderr, without a stack", async () => {
    const wrong = await runCli(["serv"]);
    expect(wrong).toEqual({
      code: 2,
      stdout: "",
      stderr: "deepts: unknown command 'serv' (did you mean serve?); see deepts --help\n",
    });
    const missing = await runCli(["inspect", "no/such\nfile.gguf"]);
    expect(missing.code).toBe(3);
    expect(missing.stderr).toMatch(/^deepts: no\/such file\.gguf: .*\n$/);
    expect(missing.stderr).not.toContain("    at ");
  });

  it("shows where an error came from with DEEPTS_DEBUG=1", async () => {
    const { stderr } = await runCli(["inspect", "nosuch.gguf"], { env: { DEEPTS_DEBUG: "1" } });
    expect(stderr).toMatch(/^deepts: nosuch\.gguf: .*\nFormatError: .*\n {4}at [\s\S]*caused by Error: ENOENT/);
  });

  it("ends quietly where the reader of its output has left", async () => {
    const stdout = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" })),
    });
    stdout.on("error", () => {});
    const { code, stderr } = await runCli(["--help"], { stdout });
    expect([code, stderr]).toEqual([0, ""]);
  });
});

describe("the exit code", () => {
  it.each<[number, unknown]>([
    [1, new Error("?")],
    [1, "not even an Error"],
    [1, new errors.DeepTsError("listen_failed", "")],
    [1, new errors.CacheFullError("")],
    [1, new errors.ApiError(503, "")],
    [2, new UsageError("")],
    [2, new errors.TextError("")],
    [2, new errors.ApiError(400, "")],
    [2, new errors.ConfigError("--ctx-size", "")],
    [3, new errors.ConfigError("kv_lora_rank", "")],
    [3, new errors.FormatError("a.gguf", 0, "")],
    [3, new errors.ShapeError("linear", "", "")],
    [4, new errors.BackendUnavailableError("cuda", "")],
    [4, new errors.UnsupportedOpError("cuda", "")],
    [130, new Interrupted("SIGINT")],
    [143, new Interrupted("SIGTERM")],
  ])("is %i for %o", (code, error) => {
    expect(exitCodeOf(error)).toBe(code);
  });
});
