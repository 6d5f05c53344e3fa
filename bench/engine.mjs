// How fast a backend answers with the embedded model: `npm run bench -- [--backend B] [--repeat N] [--out FILE.json]`.
// Prompt and answer are fixed (greedy), and the text is checked, so that a fast wrong answer does not count.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import { parseArgs } from "node:util";
import { embeddedModelPath, loadModel } from "../dist/node.mjs";

const { values } = parseArgs({
  options: {
    backend: { type: "string", default: "auto" },
    repeat: { type: "string", default: "5" },
    out: { type: "string" },
    help: { type: "boolean" },
  },
});
if (values.help) {
  console.log("usage: npm run bench -- [--backend reference|./mine.mjs] [--repeat 5] [--out bench/results/NAME.json]");
  process.exit(0);
}

const QUESTION = "Tell me a story about a fox and a kite.";
const ANSWER_START = "Once upon a time, a sleepy fox named Hugo lived near the tower.";
const FILLER = "The quick brown fox jumps over the lazy dog. ";
const REPEAT = Number(values.repeat);

/** One greedy answer. @returns tokens per second of prompt and answer, and the text */
async function run(engine, prompt, maxTokens) {
  const start = performance.now();
  let first = 0;
  let text = "";
  let count = 0;
  for await (const event of engine.generate({
    prompt,
    maxTokens,
    sampling: { temperature: 0 },
    ignoreEndTokens: true,
  })) {
    if (event.type === "token" && count++ === 0) first = performance.now();
    text += event.text;
  }
  const end = performance.now();
  return { text, prefill: prompt.length / ((first - start) / 1000), decode: (count - 1) / ((end - first) / 1000) };
}

function summary(runs) {
  const sorted = [...runs].sort((a, b) => a - b);
  const round = (x) => Math.round(x * 10) / 10;
  return {
    median: round(sorted[sorted.length >> 1]),
    min: round(sorted[0]),
    max: round(sorted.at(-1)),
    runs: runs.map(round),
  };
}

const { engine, close } = await loadModel(undefined, { backend: values.backend, contextSize: 1024, parallel: 1 });
const results = [];
for (const depth of [0, 512]) {
  const { ids } = await engine.renderChat({ messages: [{ role: "user", content: QUESTION }] });
  const filler = engine.encodePrompt(FILLER.repeat(60)).slice(0, depth);
  const prompt = [...filler, ...ids.slice(depth > 0 ? 1 : 0)];
  const prefill = [];
  const decode = [];
  for (let i = 0; i <= REPEAT; i++) {
    const result = await run(engine, prompt, 48);
    if (depth === 0 && !result.text.startsWith(ANSWER_START)) throw new Error(`wrong answer: ${result.text}`);
    if (i === 0) continue; // warm-up
    prefill.push(result.prefill);
    decode.push(result.decode);
  }
  results.push({ promptTokens: prompt.length, answerTokens: 48, prefill: summary(prefill), decode: summary(decode) });
}
await close();

const git = (...args) => execFileSync("git", args, { encoding: "utf8" }).trim();
const model = embeddedModelPath();
const report = {
  date: new Date().toISOString(),
  commit: git("rev-parse", "HEAD"),
  dirty: git("status", "--porcelain") !== "",
  command: `npm run bench -- --backend ${values.backend} --repeat ${values.repeat}`,
  machine: { cpu: os.cpus()[0]?.model.trim(), cores: os.cpus().length, memoryGiB: Math.round(os.totalmem() / 2 ** 30) },
  runtime: `node ${process.version}`,
  backend: values.backend,
  model: { file: "deepts-tiny-Q8_0.gguf", sha256: createHash("sha256").update(readFileSync(model)).digest("hex") },
  warmups: 1,
  outputCheck: "the answer at depth 0 starts as the model card's",
  results,
};
for (const { promptTokens, prefill, decode } of results) {
  console.log(
    `prompt ${promptTokens}: prefill ${prefill.median} tokens/s, decode ${decode.median} tokens/s (medians of ${REPEAT})`,
  );
}
if (values.out) writeFileSync(values.out, `${JSON.stringify(report, null, 2)}\n`);
