import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Stands in for the real program: `serve` runs until a signal, `long N` prints a lot and returns N. */
const MAIN = `
export async function main(argv) {
  if (argv[0] === "long") console.log("x".repeat(1 << 20));
  if (argv[0] !== "serve") return Number(argv[1]);
  const stopped = new Promise((stop) => process.once("SIGTERM", stop));
  const busy = setInterval(() => {}, 1000);
  console.log(argv.join(" "));
  await stopped;
  clearInterval(busy);
  console.log("stopped");
  return 0;
}
`;

let checkout: string;

beforeEach(() => {
  checkout = mkdtempSync(path.join(os.tmpdir(), "deepts-checkout-"));
  const settings = ["package.json", "package-lock.json", "tsconfig.json", "tsdown.config.ts", "web/vite.config.ts"];
  for (const name of ["bin", "scripts", ...settings]) {
    cpSync(path.join(root, name), path.join(checkout, name), { recursive: true });
  }
  write("web/index.html", "<!doctype html><title>First page</title>");
  symlinkSync(path.join(root, "node_modules"), path.join(checkout, "node_modules"), "dir");
  for (const entry of ["node", "browser", "a-web-thread"]) write(`src/${entry}.ts`, "export const version = 1;\n");
  write("src/cli/main.ts", MAIN.replace("argv", "argv: string[]"));
});

afterEach(() => rmSync(checkout, { recursive: true, force: true }));

function write(file: string, text: string): void {
  mkdirSync(path.dirname(path.join(checkout, file)), { recursive: true });
  writeFileSync(path.join(checkout, file), text);
}

function read(file: string): string {
  return readFileSync(path.join(checkout, file), "utf8");
}

function node(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: checkout, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

describe("setting up a checkout", () => {
  it("builds once, for two at a time, and then only when the sources change", async () => {
    const both = await Promise.all([node("scripts/setup.mjs"), node("scripts/setup.mjs")]);
    expect(both.map((r) => r.code)).toEqual([0, 0]);
    expect(both.filter((r) => r.stderr.includes("building"))).toHaveLength(1);
    const built = statSync(path.join(checkout, "dist")).ino;
    expect(await node("scripts/setup.mjs")).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(statSync(path.join(checkout, "dist")).ino).toBe(built);
    write("src/node.ts", "export const version = 2;\n");
    expect((await node("scripts/setup.mjs")).stderr).toContain("building");
    expect(read("dist/node.mjs")).toContain("2");
    expect(read("dist/web/index.html")).toContain("First page");
    write("web/index.html", "<!doctype html><title>Second page</title>");
    expect((await node("scripts/setup.mjs")).stderr).toContain("building");
    expect(read("dist/web/index.html")).toContain("Second page");
  });

  it("keeps the last good build when the sources are broken, and takes over the lock of a process that died", async () => {
    const dead = spawn(process.execPath, ["-e", ""]);
    await once(dead, "exit");
    write(".cache/setup.lock", `${dead.pid}`);
    write("dist/node.mjs", "the last good build");
    write("src/node.ts", "export const = ;\n");
    const broken = await node("scripts/setup.mjs");
    expect(broken.code).toBe(1);
    expect(broken.stderr).toContain("the build failed");
    expect(read("dist/node.mjs")).toBe("the last good build");
    write("src/node.ts", "export const version = 3;\n");
    write("web/index.html", '<!doctype html><script type="module" src="./none.ts"></script>');
    expect((await node("scripts/setup.mjs")).stderr).toMatch(/none\.ts.*the build failed/s);
    expect(read("dist/node.mjs")).toBe("the last good build");
    expect(readdirSync(path.join(checkout, ".cache"))).not.toContain("setup.lock");
  });

  it("starts the server in the same process, which a signal stops in good order", async () => {
    const server = spawn(process.execPath, ["scripts/start.mjs", "--port", "9000"], { cwd: checkout });
    let stdout = "";
    for await (const chunk of server.stdout) {
      stdout += chunk;
      if (stdout === "serve --port 9000\n") server.kill("SIGTERM");
    }
    expect(stdout).toBe("serve --port 9000\nstopped\n");
    expect(server.exitCode ?? (await once(server, "exit"))[0]).toBe(0);
  });
});

describe("the command's file", () => {
  it("says how to build where nothing is built", async () => {
    const result = await node("bin/deepts.mjs", "help");
    expect(result).toMatchObject({ code: 1, stdout: "" });
    expect(result.stderr).toContain("npm run setup");
  });

  it("asks for a newer Node on an old one, before anything else", async () => {
    const old = 'data:text/javascript,Object.defineProperty(process.versions, "node", { value: "18.20.1" })';
    for (const file of ["bin/deepts.mjs", "scripts/setup.mjs"]) {
      const result = await node("--import", old, file);
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/^deepts needs Node 20\.19\.0 or newer and this is Node 18\.20\.1: .*\n$/);
    }
  });

  it("ends with the program's exit code after all output is written", async () => {
    write("dist/cli/main.mjs", MAIN);
    const result = await node("bin/deepts.mjs", "long", "7");
    expect(result.code).toBe(7);
    expect(result.stdout).toHaveLength((1 << 20) + 1);
  });

  it("is no failure where the reader goes away early", async () => {
    write("dist/cli/main.mjs", MAIN);
    const child = spawn(process.execPath, ["bin/deepts.mjs", "long", "0"], { cwd: checkout });
    child.stdout.once("data", () => child.stdout.destroy());
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    expect([...(await once(child, "close")), stderr]).toEqual([0, null, ""]);
  });
});

describe("a release", () => {
  const change = (kind: string, text: string) => `---\n"deepts": ${kind}\n---\n\n${text}\n`;

  it("folds the changesets into the changelog and raises the version by the largest", async () => {
    write("CHANGELOG.md", "# Changelog\n\n## 0.1.0\n\n### Minor changes\n\n- First.\n");
    write("package.json", '{\n  "name": "deepts",\n  "version": "0.1.0"\n}\n');
    write("package-lock.json", '{ "version": "0.1.0", "packages": { "": { "version": "0.1.0" } } }');
    write(".changeset/README.md", "not a change");
    write(".changeset/b.md", change("patch", "A fix\nof two lines."));
    write(".changeset/a.md", change("minor", "Something new."));
    expect(await node("scripts/changelog.mjs")).toMatchObject({ code: 0 });
    expect(read("CHANGELOG.md")).toBe(
      "# Changelog\n\n## 0.2.0\n\n### Minor changes\n\n- Something new.\n\n### Patch changes\n\n- A fix\n  of two lines.\n" +
        "\n## 0.1.0\n\n### Minor changes\n\n- First.\n",
    );
    expect(read("package.json")).toContain('"version": "0.2.0"');
    expect(JSON.parse(read("package-lock.json"))).toEqual({ version: "0.2.0", packages: { "": { version: "0.2.0" } } });
    expect(readdirSync(path.join(checkout, ".changeset"))).toEqual(["README.md"]);
  });

  it("is refused, and changes nothing, where a changeset cannot be read", async () => {
    write(".changeset/a.md", change("minor", "Something new."));
    write(".changeset/b.md", change("huge", "What?"));
    const result = await node("scripts/changelog.mjs");
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(path.join(".changeset", "b.md"));
    expect(existsSync(path.join(checkout, ".changeset", "a.md"))).toBe(true);
    expect((await node("scripts/changelog.mjs", "--check")).code).toBe(1);
  });
});

describe("the lockfile", () => {
  it("gets the optional packages that the registry did not carry", async () => {
    const lock = {
      packages: {
        "": { version: "0.1.0" },
        "node_modules/tool": { version: "1.2.3", dev: true, optionalDependencies: { "@tool/linux-x64-musl": "1.2.3" } },
      },
    };
    write("package-lock.json", JSON.stringify(lock));
    const refused = await node("scripts/lockfile.mjs", "--check");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("@tool/linux-x64-musl");
    expect((await node("scripts/lockfile.mjs")).code).toBe(0);
    expect((await node("scripts/lockfile.mjs", "--check")).code).toBe(0);
    expect(JSON.parse(read("package-lock.json")).packages["node_modules/@tool/linux-x64-musl"]).toEqual({
      version: "1.2.3",
      cpu: ["x64"],
      dev: true,
      libc: ["musl"],
      optional: true,
      os: ["linux"],
    });
  });
});
