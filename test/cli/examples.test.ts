import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { skipMissing } from "../skip.ts";
import { built, Running, root, start } from "./spawn-deepts.ts";

beforeAll(built);

function example(
  name: string,
  args: readonly string[] = [],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const program = name.endsWith(".sh") ? "sh" : process.execPath;
  return new Running(program, [path.join(root, "examples", name), ...args]).ended;
}

async function withServer(use: (url: string) => Promise<void>): Promise<void> {
  const server = start(["serve", "--port", "0"]);
  const [, url] = await server.until(/^listening on (.*)\n/);
  await use(url!);
}

function hasCurl(): boolean {
  return spawnSync("curl", ["--version"]).status === 0;
}

describe("the example", () => {
  it("openai-client.mjs asks a server, plain and streamed", async () => {
    await withServer(async (url) => {
      const { code, stdout, stderr } = await example("openai-client.mjs", [url]);
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toMatch(/^deepts-tiny: .*\w.*\n.*\w.*\n/);
    });
  });

  it("curl.sh asks a server", async (test) => {
    if (!hasCurl()) skipMissing(test, "the command curl");
    await withServer(async (url) => {
      const { code, stdout, stderr } = await example("curl.sh", [url]);
      expect([code, stderr]).toEqual([0, ""]);
      const [health, models, chat, ...stream] = stdout.split("\n");
      expect(JSON.parse(health!)).toEqual({ status: "ok", model: "deepts-tiny" });
      expect(JSON.parse(models!).data).toHaveLength(1);
      expect(JSON.parse(chat!).choices[0].message.content).toMatch(/\w/);
      expect(stream.filter((line) => line !== "").at(-1)).toBe("data: [DONE]");
    });
  });

  it("embed-engine.mjs answers without a server", async () => {
    const { code, stdout, stderr } = await example("embed-engine.mjs");
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^\n\d+ tokens, ended by stop\n$/)]);
    expect(stdout).toMatch(/demonstration|DeepTS|Hello/);
  });

  it("stop-early.mjs stops where it is told to", async () => {
    const { code, stdout, stderr } = await example("stop-early.mjs", ["20"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^[\s\S]{20,40} \.\.\.\n$/);
  });

  it("of any name is one of those that are tested", () => {
    // timing-backend.mjs has its own test with the conformance suite, and browser/ with the page's.
    expect(readdirSync(path.join(root, "examples")).sort()).toEqual(
      ["browser", "curl.sh", "embed-engine.mjs", "openai-client.mjs", "stop-early.mjs", "timing-backend.mjs"].sort(),
    );
  });
});
