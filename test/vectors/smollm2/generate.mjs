// Writes llama.cpp.json: what llama.cpp makes of SmolLM2-135M-Instruct Q4_1.
// In an empty folder: npm install node-llama-cpp@3.22.1, copy this file there, then
//   node generate.mjs SmolLM2-135M-Instruct.Q4_1.gguf > llama.cpp.json
import { getLlama } from "node-llama-cpp";

const TEXTS = [
  "The capital of France is",
  "Hello, world! It's 2024-06-01; don't panic.",
  "  two  spaces\tand a tab\n\n\nand lines\r\n",
  "1234567890 3.14159 0x1F",
  "def f(x):\n    return x ** 2  # ÄÖÜ naïve 深度学习 😀",
  "<|im_start|>user\nHi<|im_end|>\n",
  "",
];
const PROMPTS = [
  "The capital of France is Paris. The capital of Germany is",
  "<|im_start|>user\nWhat is two plus two?<|im_end|>\n<|im_start|>assistant\n",
  "def add(a, b):\n    return a +",
];
const GREEDY = 8;

const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
const model = await llama.loadModel({ modelPath: process.argv[2] });
const context = await model.createContext({ contextSize: 256, flashAttention: false });

/** Most likely token after each of `tokens`, and the five most likely ones after the last. */
async function read(tokens) {
  const sequence = context.getSequence();
  const options = { generateNext: { probabilities: true, token: true, options: { temperature: 0 } } };
  const steps = await sequence.controlledEvaluate(tokens.map((token) => [token, options]));
  const tables = steps.map(({ next }) => [...next.probabilities].sort((a, b) => b[1] - a[1]));
  await sequence.dispose();
  return tables;
}

const prompts = [];
for (const text of PROMPTS) {
  const ids = model.tokenize(text, true);
  const tables = await read(ids);
  const greedy = [];
  while (greedy.length < GREEDY) greedy.push((await read([...ids, ...greedy])).at(-1)[0][0]);
  prompts.push({
    text,
    ids,
    mostLikely: tables.map(([[token]]) => token),
    lead: tables.map(([first, second]) => Number((first[1] - second[1]).toFixed(4))),
    probabilities: tables.map((table) => table.slice(0, 5).map(([token, p]) => [token, Number(p.toFixed(5))])),
    greedy,
    greedyText: model.detokenize(greedy),
  });
}
const texts = TEXTS.map((text) => ({ text, plain: model.tokenize(text, false), special: model.tokenize(text, true) }));
const { release, repo } = llama.llamaCppRelease;
console.log(JSON.stringify({ engine: `${repo} ${release}, node-llama-cpp 3.22.1, CPU`, texts, prompts }, null, 1));
process.exit(0);
