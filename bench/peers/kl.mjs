// How far two engines' logits are from exact maths on the same weights: mean KL(exact || engine) over the same rows.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { divergences } from "../../dist/engine/agreement.mjs";
import { evaluate, pagesFor } from "../../dist/engine/evaluate.mjs";
import { NetworkRunner } from "../../dist/engine/network-runner.mjs";
import { loadText, openBackend, openModel } from "../../dist/node.mjs";
import { openLlamaLogits } from "./llama-logits.mjs";
import { runProgram } from "./program.mjs";
import { bootstrapMean } from "./statistics.mjs";

/** Written by the embedded model itself (seeds 1 to 14, temperature 1), so it is of the kind that this model knows. */
const TEXT = fileURLToPath(new URL("stories.txt", import.meta.url));
/** Tokens of a chunk, which begins with an empty cache; the rows of its second half are compared. */
const CHUNK = 128;

/**
 * @param {string} file of a model with a vocabulary of its own
 * @param {{ perplexity: string, threads: number, say: (text: string) => void, chunks?: number }} options
 *   perplexity: llama-perplexity; chunks: of the text
 */
export async function measureKl(file, { perplexity, threads, say, chunks = 10 }) {
  const folder = mkdtempSync(path.join(tmpdir(), "deepts-kl-"));
  const saved = path.join(folder, "logits");
  try {
    say("KL: logits of llama.cpp");
    const sizes = ["-c", CHUNK, "-b", CHUNK, "--chunks", chunks, "-t", threads].map(String);
    await runProgram([perplexity, "-m", file, "-f", TEXT, ...sizes, "--save-all-logits", saved]);
    const theirs = await openLlamaLogits(saved);
    try {
      return await compare(file, theirs, threads, say);
    } finally {
      await theirs.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function compare(file, theirs, threads, say) {
  const { chunks, width } = theirs;
  const { tokenizer } = await loadText(file);
  if (tokenizer.addBos) for (const tokens of chunks) tokens[0] = tokenizer.bosId; // as llama-perplexity does
  const [ours, peers] = [[], []];
  const backend = await openBackend("cpu", { threads });
  const { checkpoint } = await openModel(file);
  try {
    say("KL: exact logits");
    const exact = await allRows(checkpoint, backend, "exact", chunks);
    for (const [chunk, rows] of exact.entries()) peers.push(...divergences(rows, await theirs.rows(chunk), width));
    say("KL: fast logits");
    const fast = await allRows(checkpoint, backend, "fast", chunks);
    for (const [chunk, rows] of exact.entries()) ours.push(...divergences(rows, fast[chunk], width));
  } finally {
    await checkpoint.close();
    backend.close();
  }
  const hash = createHash("sha256");
  for (const tokens of chunks) hash.update(tokens);
  const side = (kl) => ({ ...bootstrapMean(kl), kl: kl.map((x) => Number(x.toPrecision(6))) });
  return {
    rows: ours.length,
    chunks: chunks.length,
    context: theirs.context,
    tokensSha256: hash.digest("hex"),
    deepts: { how: "fast numerics, default cache", ...side(ours) },
    llamaCpp: { how: "llama-perplexity, default flags", ...side(peers) },
    difference: bootstrapMean(ours.map((x, row) => x - peers[row])),
  };
}

/** The rows that llama-perplexity saves of each chunk, [context - 1 - context / 2, vocab]. */
async function allRows(checkpoint, backend, numerics, chunks) {
  const options = { numerics, pages: pagesFor(CHUNK), maxRows: CHUNK };
  const runner = await NetworkRunner.load(checkpoint, backend, options);
  try {
    const all = [];
    for (const tokens of chunks) {
      for await (const { outputs } of evaluate(runner, tokens)) {
        const logits = await outputs.logits.read();
        const width = logits.length / tokens.length;
        all.push(logits.slice((tokens.length >> 1) * width, (tokens.length - 1) * width));
      }
    }
    return all;
  } finally {
    runner.close();
  }
}
