import type { Batch } from "../tensor/backend.ts";

/**
 * A step of consecutive rows of one sequence.
 * @param start position of the first
 * @param kind ROW_PROMPT or ROW_GENERATED
 * @param firstLogits the rows from this one on give logits. Default all
 */
export function sequenceRows(
  tokens: ArrayLike<number>,
  start: number,
  kind: number,
  blockTable: Int32Array,
  firstLogits = 0,
): Batch {
  const rows = tokens.length;
  return {
    tokens: Int32Array.from(tokens),
    positions: Int32Array.from({ length: rows }, (_, i) => start + i),
    sequences: new Int32Array(rows),
    kinds: new Uint8Array(rows).fill(kind),
    blockTables: [blockTable],
    logitRows: Int32Array.from({ length: rows - firstLogits }, (_, i) => firstLogits + i),
  };
}
