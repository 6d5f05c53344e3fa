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
const context = await model.createContext({ contextSize: 256, flashAttention: false, threads: 2 });

/** Tokens and their probabilities, the most likely first, after each of the positions. */
async function read(tokens, positions) {
  const sequence = context.getSequence();
  const next = { generateNext: { probabilities: true, options: { temperature: 0 } } };
  const steps = await sequence.controlledEvaluate(
    tokens.map((token, i) => (positions.includes(i) ? [token, next] : token)),
  );
  await sequence.dispose();
  return positions.map((i) => [...steps[i].next.probabilities].sort((a, b) => b[1] - a[1]));
}

const round = (p) => Number(p.toFixed(5));

const prompts = [];
for (const text of PROMPTS) {
  const ids = model.tokenize(text, true);
  const tables = await read(ids, [...ids.keys()]);
  const greedy = [];
  const lead = [];
  while (greedy.length < GREEDY) {
    const [[best, second]] = await read([...ids, ...greedy], [ids.length + greedy.length - 1]);
    greedy.push(best[0]);
    lead.push(round(best[1] - second[1]));
  }
  prompts.push({
    text,
    ids,
    /** After each token: the five most likely next ones with their probabilities. */
    next: tables.map((table) => table.slice(0, 5).map(([token, p]) => [token, round(p)])),
    greedy,
    /** By how much each was more likely than the second. */
    lead,
    greedyText: model.detokenize(greedy),
  });
}
const texts = TEXTS.map((text) => ({ text, plain: model.tokenize(text, false), special: model.tokenize(text, true) }));
const { release, repo } = llama.llamaCppRelease;
console.log(JSON.stringify({ engine: `${repo} ${release}, node-llama-cpp 3.22.1, CPU`, texts, prompts }, null, 1));
process.exit(0);
