// Runs the API-resource tests of openai-node (github.com/openai/openai-node, Apache-2.0) that are about endpoints we have, with
// that client's own sources, against a server with the embedded model. They are made for a mock that takes whatever its schema
// allows, so some ask for what a real server refuses: those are named here with the refusal. Fails where an answer is another one.
// Not part of CI; docs/API.md has the last result.
//   node scripts/check-openai-suite.mjs FOLDER    a checkout of openai-node
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { root, run, say, tool } from "./run.mjs";
import { setup } from "./setup.mjs";
import { startProgram } from "./start-program.mjs";

const FILES = ["completions", "chat/completions/completions", "models", "embeddings", "responses/responses"];

const NO_STORED_CHATS = /^Error: (404 there is nothing at|405 \/v1\/chat\/completions takes POST)/;
const NO_SUCH_RESPONSE = /^Error: 404 no response of this id is stored here/;

/** By file and test, how it is refused. Every other test passes. */
const REFUSED = {
  // Everything that the schema names at once, which no model takes: sound, values outside the ranges, hidden padding.
  "completions: create: required and optional params": /^Error: 400 'stream_options.include_obfuscation'/,
  "chat/completions/completions: create: required and optional params": /^Error: 400 'audio' is not supported/,
  "embeddings: create: required and optional params": /^Error: 400 'dimensions' is not supported/,
  "responses/responses: create": /^Error: 400 'input' is required/,
  // Names and ids that were made up.
  "models: retrieve": /^Error: 404 no model of this name/,
  "responses/responses: retrieve": NO_SUCH_RESPONSE,
  "responses/responses: delete": NO_SUCH_RESPONSE,
  // What is not offered: deleting models, responses in the background and compact ones, stored chat completions.
  "models: delete": /^Error: 405/,
  "responses/responses: cancel": /^Error: 404 there is nothing at/,
  "responses/responses: compact: only required params": /^Error: 405/,
  "responses/responses: compact: required and optional params": /^Error: 405/,
  "chat/completions/completions: retrieve": NO_STORED_CHATS,
  "chat/completions/completions: update: only required params": NO_STORED_CHATS,
  "chat/completions/completions: update: required and optional params": NO_STORED_CHATS,
  "chat/completions/completions: list": NO_STORED_CHATS,
  "chat/completions/completions: delete": NO_STORED_CHATS,
};

async function main(folder) {
  if (folder === undefined || !existsSync(path.join(folder, "tests", "api-resources"))) {
    say("usage: node scripts/check-openai-suite.mjs FOLDER, a checkout of github.com/openai/openai-node");
    return 2;
  }
  const code = await setup();
  if (code !== 0) return code;
  const deepts = [process.execPath, path.join(root, "bin", "deepts.mjs")];
  const server = await startProgram([...deepts, "serve", "--port", "0", "--ctx-size", "512"]);
  try {
    const tests = await runTests(path.resolve(folder), `${server.url}/v1`);
    const wrong = tests.filter(({ name, said }) => !(REFUSED[name] ?? /^passed$/).test(said));
    for (const { name, said } of tests) console.log(`${name}: ${said}`);
    const passed = tests.filter(({ said }) => said === "passed").length;
    console.log(
      `\n${tests.length} tests: ${passed} passed, ${tests.length - passed} refused, ${wrong.length} not as expected`,
    );
    for (const { name, said } of wrong) console.log(`${name}: ${said}, want ${REFUSED[name] ?? "passed"}`);
    return wrong.length === 0 && tests.length > 0 ? 0 : 1;
  } finally {
    await server.close();
  }
}

/** @returns {Promise<{ name: string, said: string }[]>} said: passed, or the client's error */
async function runTests(folder, url) {
  const scratch = mkdtempSync(path.join(os.tmpdir(), "deepts-openai-suite-"));
  try {
    const [config, results] = [path.join(scratch, "vitest.config.mjs"), path.join(scratch, "results.json")];
    const alias = [
      { find: "^openai$", replacement: path.join(folder, "src", "index.ts") },
      { find: "^openai/(.*)$", replacement: path.join(folder, "src", "$1") },
    ];
    const include = FILES.map((file) => `tests/api-resources/${file}.test.ts`);
    const test = { globals: true, include, testTimeout: 60_000, env: { TEST_API_BASE_URL: url } };
    writeFileSync(
      config,
      `const alias = ${JSON.stringify(alias)}.map(({ find, ...to }) => ({ find: new RegExp(find), ...to }));
export default { root: ${JSON.stringify(folder)}, resolve: { alias }, test: ${JSON.stringify(test)} };\n`,
    );
    await run([...tool("vitest"), "run", "--config", config, "--reporter=json", `--outputFile=${results}`]);
    const { testResults } = JSON.parse(readFileSync(results, "utf8"));
    return testResults.flatMap(({ name: file, assertionResults }) =>
      assertionResults.map(({ title, status, failureMessages }) => ({
        name: `${path.relative(path.join(folder, "tests", "api-resources"), file).replace(".test.ts", "")}: ${title}`,
        said: status === "passed" ? status : failureMessages[0].split("\n")[0],
      })),
    );
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

process.exitCode = await main(process.argv[2]);
