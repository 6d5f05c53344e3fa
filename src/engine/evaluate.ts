import { PAGE_SIZE } from "../model/cache-layout.ts";
import type { Outputs } from "../tensor/backend.ts";
import { ROW_PROMPT } from "../tensor/backend.ts";
import type { NetworkRunner } from "./network-runner.ts";
import { sequenceRows } from "./sequence-rows.ts";

/** Pages that a sequence of this many tokens takes. */
export function pagesFor(tokens: number): number {
  return Math.ceil(tokens / PAGE_SIZE);
}

/** The pages of a sequence that has the cache to itself. */
export function firstPages(tokens: number): Int32Array {
  return Int32Array.from({ length: pagesFor(tokens) }, (_, page) => page);
}

/** One step's outputs while a known text is read. */
export interface EvaluatedRows {
  /** Index of the first row in the text. */
  readonly start: number;
  readonly rows: number;
  readonly outputs: Outputs;
  /** Outputs of the MTP layer for rows start .. start + mtpRows - 1; null when it was not asked for. */
  readonly mtp: Outputs | null;
  readonly mtpRows: number;
}

/**
 * Reads a known sequence of tokens from an empty cache, step by step, with the logits of every row: for goldens,
 * perplexity and `deepts logits`. The runner's cache must hold pagesFor(tokens.length) pages, and nobody else may use it.
 */
export async function* evaluate(
  runner: NetworkRunner,
  tokens: Int32Array,
  { mtp = false, signal }: { mtp?: boolean; signal?: AbortSignal } = {},
): AsyncGenerator<EvaluatedRows> {
  const blockTable = firstPages(tokens.length);
  for (let start = 0; start < tokens.length; start += runner.maxRows) {
    signal?.throwIfAborted();
    const end = Math.min(start + runner.maxRows, tokens.length);
    const outputs = await runner.run(sequenceRows(tokens.subarray(start, end), start, ROW_PROMPT, blockTable));
    // The MTP row of token i needs token i + 1, which the last token does not have.
    const mtpEnd = Math.min(end, tokens.length - 1);
    const mtpRows = mtp ? mtpEnd - start : 0;
    let drafted: Outputs | null = null;
    if (mtpRows > 0) {
      const hidden = (await outputs.finalNorm!.read()) as Float32Array;
      const width = hidden.length / (end - start);
      const batch = sequenceRows(tokens.subarray(start + 1, mtpEnd + 1), start, ROW_PROMPT, blockTable);
      drafted = await runner.runMtp(batch, hidden.subarray(0, mtpRows * width));
    }
    yield { start, rows: end - start, outputs, mtp: drafted, mtpRows };
  }
}
