import type { Batch } from "../tensor/backend.ts";
import type { PlannedRows } from "./scheduler.ts";

/** The rows of a plan, sequence by sequence, and which sequences get logits: those with nothing left to compute. */
export function toBatch(plan: readonly PlannedRows[]): Batch {
  const rows = plan.reduce((sum, { count }) => sum + count, 0);
  const batch = {
    tokens: new Int32Array(rows),
    positions: new Int32Array(rows),
    sequences: new Int32Array(rows),
    kinds: new Uint8Array(rows),
    blockTables: plan.map(({ sequence }) => Int32Array.from(sequence.pages)),
  };
  const logitRows: number[] = [];
  let row = 0;
  for (const [index, { sequence, start, count }] of plan.entries()) {
    for (let position = start; position < start + count; position++, row++) {
      batch.tokens[row] = sequence.tokens[position]!;
      batch.positions[row] = position;
      batch.sequences[row] = index;
      batch.kinds[row] = sequence.kindOf(position);
    }
    if (sequence.remaining === 0) logitRows.push(row - 1);
  }
  return { ...batch, logitRows: Int32Array.from(logitRows) };
}
