import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { TestIo } from "../../test/cli/test-io.ts";
import { loadConfig } from "./config-file.ts";
import { main } from "./main.ts";

async function folder(files: Record<string, string>): Promise<string> {
  const place = await mkdtemp(path.join(tmpdir(), "deepts-config-"));
  onTestFinished(() => rm(place, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(place, name), text);
  return place;
}

const TYPESCRIPT = "interface Port { port: number }\nexport default { port: 9000 } satisfies Port;\n";

test("a configuration is JSON or a module, TypeScript too", async () => {
  const json = await folder({ "deepts.config.json": '{"port": 9000}' });
  expect(await loadConfig(undefined, json)).toEqual({ file: "deepts.config.json", values: { port: 9000 } });
  const module = await folder({ "deepts.config.ts": TYPESCRIPT, "other.json": "{}" });
  expect(await loadConfig(undefined, module)).toEqual({ file: "deepts.config.ts", values: { port: 9000 } });
  expect(await loadConfig("other.json", module)).toEqual({ file: "other.json", values: {} });
  expect(await loadConfig(undefined, await folder({}))).toBeNull();
});

test.each([
  ["broken.json", "{", "cannot be read as configuration"],
  ["broken.ts", "export default {", "cannot be read as configuration"],
  ["list.json", "[]", "want an object of settings"],
  ["number.ts", "export default 5;", "want an object of settings as its default export"],
])("%s is an error that names the file", async (name, text, message) => {
  const place = await folder({ [name]: text });
  await expect(loadConfig(name, place)).rejects.toThrow(`${name}: ${message}`);
});

/** What `deepts serve --print-config` prints. */
async function printed(argv: string[], env: Record<string, string> = {}) {
  const io = new TestIo({ env });
  const code = await main(["serve", "--print-config", ...argv], io);
  return { code, err: io.err, config: code === 0 ? (JSON.parse(io.out) as Record<string, unknown>) : null };
}

test("the command line goes before the environment, that before the file, that before the defaults", async () => {
  const settings = {
    port: 1,
    host: "file",
    parallel: 7,
    cors: ["https://a.example"],
    logLevel: "info",
    maxBody: "9MiB",
  };
  const place = await folder({ "x.json": JSON.stringify(settings) });
  const env = { DEEPTS_HOST: "env", DEEPTS_PORT: "2", DEEPTS_ALLOWED_HOST: "a.example, b.example" };
  const { config } = await printed(["--config", path.join(place, "x.json"), "--port", "3"], env);
  expect(config).toMatchObject({
    port: 3,
    host: "env",
    parallel: 7,
    cors: ["https://a.example"],
    allowedHost: ["a.example", "b.example"],
    logLevel: "info",
    maxBody: 9 * 2 ** 20,
    backend: "auto",
  });
});

test.each([
  ["one model", "a.gguf", ["a.gguf"]],
  ["a list of models", ["small=a.gguf", "b.gguf"], ["small=a.gguf", "b.gguf"]],
  ["models by name", { small: "a.gguf", big: "b.gguf" }, ["small=a.gguf", "big=b.gguf"]],
])("a file may say %s", async (_what, model, list) => {
  const place = await folder({ "x.json": JSON.stringify({ model, memory: "8GB", cacheMemory: 3_000_000 }) });
  const { config } = await printed(["--config", path.join(place, "x.json")]);
  expect(config).toMatchObject({ model: list, memory: 8e9, cacheMemory: 3e6 });
  expect((await printed([], { DEEPTS_MODEL: list.join(","), DEEPTS_MEMORY: "1GiB" })).config).toMatchObject({
    model: list,
    memory: 2 ** 30,
  });
});

test("what is printed can be read again, but for the secrets, which are masked", async () => {
  const env = { DEEPTS_API_KEY: "sk-very-secret-key", DEEPTS_REDIS: "redis://me:hidden@host:6379" };
  const { config } = await printed(["--ctx-size", "100"], env);
  expect(config).toMatchObject({ ctxSize: 100, apiKey: ["***"], redis: "redis://me:***@host:6379" });
  expect(JSON.stringify(config)).not.toMatch(/secret|hidden/);
  const { apiKey, redis, ...rest } = config!;
  const place = await folder({ "again.json": JSON.stringify(rest) });
  expect((await printed(["--config", path.join(place, "again.json")])).config).toEqual({ ...rest, apiKey: [] });
});

test.each([
  ['{"prot": 1}', /x\.json: unknown setting "prot"; there are .*port/],
  ['{"port": "many"}', /x\.json: port: want an integer \(0 to 65535\), got "many"/],
  ['{"port": 70000}', /x\.json: port: want an integer/],
  ['{"model": {"a": 1}}', /x\.json: model: want a list of strings, got \{"a":1\}/],
  [
    '{"memory": "much"}',
    /x\.json: memory: want a size such as 8GB or 8GiB, a number alone being bytes \(1 MiB or more\), got "much"/,
  ],
  ['{"cacheMemory": 512}', /x\.json: cacheMemory: want a size such as 8GB or 8GiB, .*, got 512$/],
  ['{"host": 5}', /x\.json: host: want a string, got 5/],
  ['{"cors": "a"}', /x\.json: cors: want a list of strings, got "a"/],
  ['{"logLevel": "loud"}', /x\.json: logLevel: want silent, error, info/],
  ['{"printConfig": "maybe"}', /x\.json: printConfig: want true or false/],
  ['{"apiKey": ["sk-secret", 5]}', /x\.json: apiKey: want a list of strings$/],
])("a file that says %s is refused by name", async (text, message) => {
  const place = await folder({ "x.json": text });
  const io = new TestIo();
  expect(await main(["serve", "--config", path.join(place, "x.json")], io)).toBe(2);
  expect(io.err.trim()).toMatch(message);
  expect(io.err).not.toContain("secret");
});
