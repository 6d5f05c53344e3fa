import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openPrefixFiles } from "../../src/engine/prefix-files.ts";
import { built, command, Running } from "../cli/spawn-deepts.ts";
import { skipMissing } from "../skip.ts";
import { savedPage, savedText } from "./saved-pages.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "deepts-prefixes-"));
  onTestFinished(() => rm(folder, { recursive: true }));
});

describe("kill -9 in the middle of a write", () => {
  const loader = new URL("../typescript-loader.mjs", import.meta.url).href;
  const program = fileURLToPath(new URL("save-pages.ts", import.meta.url));
  const unfinished = async () => (await readdir(folder)).filter((name) => name.endsWith(".tmp"));

  /** @returns whether it was in the middle */
  async function killWriter(after: number): Promise<boolean> {
    const child = spawn(process.execPath, ["--import", loader, program, folder], { stdio: "inherit" });
    const ended = once(child, "exit");
    let over = false;
    void ended.then(() => (over = true));
    const begun = async () => (await readdir(folder)).length > after && (await unfinished()).length > 0;
    while (!over && !(await begun())) await new Promise(setImmediate);
    expect(over, "it ended by itself").toBe(false);
    child.kill("SIGKILL");
    await ended;
    return (await unfinished()).length > 0;
  }

  it("leaves pages that are whole, and nothing else after the next start", async (t) => {
    if (process.platform === "win32") t.skip("Windows has no kill -9");
    let middle = 0;
    for (let pages = 0; middle < 2; pages++) if (await killWriter(pages)) middle++;
    const warnings: string[] = [];
    const network = { fingerprint: "model", pageBytes: savedPage(0).bytes.length };
    const store = await openPrefixFiles({ ...network, folder, maxBytes: 2 ** 30, warn: (line) => warnings.push(line) });
    expect(await unfinished()).toEqual([]);
    const names = await readdir(folder);
    const text = savedText(store, names.length + 1);
    for (const [index, address] of text.entries()) {
      const page = await store.load(address);
      if (index === names.length) expect(page).toBeNull();
      else expect(Buffer.compare(page!.bytes, savedPage(index).bytes), `page ${index}`).toBe(0);
    }
    expect(warnings).toEqual([]);
  }, 120_000);
});

describe("a disk that takes no more", () => {
  beforeAll(built, 180_000);

  /** Asks a server that was started by a shell with this before it, and restarts it. */
  async function answersWith(
    shell: string,
    runner: readonly string[],
  ): Promise<{ answers: unknown[]; stderr: string }> {
    const serve = [process.execPath, command, "serve", "--port", "0", "--prefix-cache", path.join(folder, "disk")];
    const [program, ...args] = [...runner, "sh", "-c", `${shell} && exec "$0" "$@"`, ...serve];
    const server = new Running(program!, args);
    const [, url] = await server.until(/listening on (\S+)/);
    const answers: unknown[] = [];
    for (const subject of ["foxes", "owls", "foxes"]) {
      const content = `Please tell me all that you know of ${subject}. `.repeat(30);
      const body = JSON.stringify({ messages: [{ role: "user", content }], temperature: 0, max_tokens: 8 });
      const headers = { "content-type": "application/json" };
      const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body });
      answers.push([response.status, ((await response.json()) as { usage: unknown }).usage]);
    }
    server.child.kill("SIGTERM");
    const { code, stderr } = await server.ended;
    expect(code).toBe(0);
    return { answers, stderr };
  }

  const told = /prefixes cannot be stored in \S+ \((ENOSPC|EFBIG)[^)]*\); answers go on without/g;

  async function compare(shell: string, runner: readonly string[], code: string): Promise<void> {
    const alone = await answersWith("true", []);
    await rm(path.join(folder, "disk"), { recursive: true });
    await mkdir(path.join(folder, "disk"));
    const full = await answersWith(shell, runner);
    expect(full.answers).toEqual(alone.answers);
    expect([...full.stderr.matchAll(told)].map(([, found]) => found)).toEqual([code]);
    expect(alone.stderr).not.toMatch(told);
  }

  it("is told of once; answers go on", async (t) => {
    const runner = ["unshare", "--user", "--map-root-user", "--mount"];
    const disk = path.join(folder, "disk");
    await mkdir(disk);
    const mount = `mount -t tmpfs -o size=100k none ${disk}`;
    if (spawnSync(runner[0]!, [...runner.slice(1), "sh", "-c", mount]).status !== 0)
      skipMissing(t, "a namespace in which a small file system can be mounted (unshare)");
    await compare(mount, runner, "ENOSPC");
  }, 120_000);

  it("is told of once where the process has a limit; answers go on", async (t) => {
    if (process.platform === "win32") t.skip("Windows has no such limit");
    // In blocks of 512 bytes: less than a page.
    await compare("ulimit -f 40", [], "EFBIG");
  }, 120_000);
});
