import { pagesFor } from "../../src/engine/evaluate.ts";
import type { NetworkRunner } from "../../src/engine/network-runner.ts";
import { sequenceRows } from "../../src/engine/sequence-rows.ts";
import type { Batch } from "../../src/tensor/backend.ts";
import { ROW_GENERATED, ROW_PROMPT } from "../../src/tensor/backend.ts";
import { argmax, joinRows } from "./measure.ts";

/** The pages of one sequence in descending order, so that a page id is never by chance the number of its page. */
export function reversedPages(tokens: number): Int32Array {
  const count = pagesFor(tokens);
  return Int32Array.from({ length: count }, (_, page) => count - 1 - page);
}

/** Logits [tokens, vocab] of a text that is read in steps of `chunk` rows. */
export async function logitsInChunks(
  runner: NetworkRunner,
  tokens: Int32Array,
  chunk: number,
  kind: number,
): Promise<Float32Array> {
  const table = reversedPages(tokens.length);
  const parts: Float32Array[] = [];
  for (let start = 0; start < tokens.length; start += chunk) {
    const { logits } = await runner.run(sequenceRows(tokens.subarray(start, start + chunk), start, kind, table));
    parts.push((await logits!.read()) as Float32Array);
  }
  return joinRows(parts);
}

/** Reads the prompt, then appends the most likely token, `count` times, one row a step. No token ends it. */
export async function greedyTokens(runner: NetworkRunner, prompt: Int32Array, count: number): Promise<number[]> {
  const table = reversedPages(prompt.length + count);
  const ids: number[] = [];
  let next: Batch = sequenceRows(prompt, 0, ROW_PROMPT, table);
  while (ids.length < count) {
    const { logits } = await runner.run({ ...next, logitRows: Int32Array.of(next.tokens.length - 1) });
    ids.push(argmax((await logits!.read()) as Float32Array));
    next = sequenceRows(ids.slice(-1), prompt.length + ids.length - 1, ROW_GENERATED, table);
  }
  return ids;
}
