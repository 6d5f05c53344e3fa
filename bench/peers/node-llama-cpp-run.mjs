// Measures node-llama-cpp in a process of its own: node node-llama-cpp-run.mjs ENTRY FILE WORK, where ENTRY is the package's
// index.js and WORK a Work (engines.mjs) as JSON. Prints a Measured as JSON.
import { pathToFileURL } from "node:url";

const [entry, modelPath, workJson] = process.argv.slice(2);
const { prompt, generate, depth, repeat, threads } = JSON.parse(workJson);
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(entry).href);

const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: LlamaLogLevel.disabled });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({
  contextSize: depth + Math.max(prompt, generate) + 1,
  batchSize: 512,
  sequences: 1,
  threads: { ideal: threads, min: threads },
});
const sequence = context.getSequence();
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
const tokens = (count) => Array.from({ length: count }, () => Math.floor(Math.random() * vocabulary));

async function timed(count, evaluate) {
  const list = tokens(count);
  const start = performance.now();
  await evaluate(list);
  const seconds = (performance.now() - start) / 1000;
  const end = sequence.nextTokenIndex;
  await (depth === 0 ? sequence.clearHistory() : sequence.eraseContextTokenRanges([{ start: depth, end }]));
  return count / seconds;
}

const read = (list) => sequence.evaluateWithoutGeneratingNewTokens(list);
/** Each token is given, and the logits after it are computed, as a sampler would need them. */
const write = async (list) => {
  for (const token of list) {
    await sequence.controlledEvaluate([[token, { generateNext: { token: true, options: { temperature: 0 } } }]]);
  }
};

if (depth > 0) await read(tokens(depth));
const measured = { prompt: [], generate: [] };
for (let run = 0; run <= repeat; run++) {
  const speed = [await timed(prompt, read), await timed(generate, write)];
  if (run === 0) continue; // warm-up
  measured.prompt.push(speed[0]);
  measured.generate.push(speed[1]);
}
const facts = { release: llama.llamaCppRelease.release, system: llama.systemInfo, buildType: llama.buildType };
console.log(JSON.stringify({ ...measured, facts }));
await context.dispose();
await model.dispose();
await llama.dispose();
