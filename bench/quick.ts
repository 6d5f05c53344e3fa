import { openModel, openBackend } from "../src/node.ts";
import { NetworkRunner } from "../src/engine/network-runner.ts";
const [model, numerics, prompt, generate, depth] = [process.argv[2]!, process.argv[3] as "fast"|"exact", +process.argv[4]!, +process.argv[5]!, +(process.argv[6] ?? 0)];
const backend = await openBackend("cpu", {threads: +(process.env.T ?? 2)});
const { checkpoint } = await openModel(model);
let t0 = performance.now();
const total = depth + prompt + generate + 64;
const runner = await NetworkRunner.load(checkpoint, backend, { pages: Math.ceil(total / 16), numerics, maxLogitRows: 1, maxRows: 512 });
console.log("load", ((performance.now() - t0) / 1000).toFixed(2), "s, rss", (process.memoryUsage().rss / 1e6).toFixed(0), "weights", (runner.weightBytes/1e6).toFixed(0), "scratch", (runner.scratchBytes/1e6).toFixed(0));
const vocab = checkpoint.config.vocabSize;
let seed = 1; const rnd = () => (seed = (seed * 1103515245 + 12345) % 2147483648) % vocab;
const table = Int32Array.from({ length: Math.ceil(total / 16) }, (_, i) => i);
let pos = 0;
const step = async (n: number, kind: number) => {
  await runner.run({ tokens: Int32Array.from({ length: n }, rnd), positions: Int32Array.from({ length: n }, (_, i) => pos + i), sequences: new Int32Array(n), kinds: new Uint8Array(n).fill(kind), blockTables: [table], logitRows: Int32Array.of(n - 1) });
  pos += n;
};
await step(8, 0); pos = 0;
while (pos < depth) await step(Math.min(512, depth - pos), 0);
for (let r = 0; r < 3; r++) {
  pos = depth;
  t0 = performance.now();
  if (prompt) { await step(prompt, 0); console.log("prefill", (prompt / (performance.now() - t0) * 1000).toFixed(1), "t/s"); }
  t0 = performance.now();
  for (let i = 0; i < generate; i++) await step(1, 1);
  if (generate) console.log("decode", (generate / (performance.now() - t0) * 1000).toFixed(2), "t/s");
}
runner.close(); await checkpoint.close(); backend.close();
