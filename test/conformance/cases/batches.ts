import { type Batch, ROW_PROMPT } from "../../../src/tensor/backend.ts";
import type { CacheLayout } from "../../../src/tensor/program.ts";

/** A cache that stores nothing, for Programs without attention. Its page is long enough for any position in the cases. */
export const NO_CACHE: CacheLayout = { pageSize: 1 << 18, layers: [] };

/** Consecutive rows of one sequence. */
export interface Run {
  readonly sequence: number;
  readonly from: number;
  readonly count: number;
  /** Default ROW_PROMPT. */
  readonly kind?: number;
}

/** A step of these runs, in this order. */
export function batchOf(
  runs: readonly Run[],
  blockTables: readonly Int32Array[],
  extra: { tokens?: ArrayLike<number>; logitRows?: readonly number[] } = {},
): Batch {
  const rows = runs.flatMap(({ sequence, from, count, kind = ROW_PROMPT }) =>
    Array.from({ length: count }, (_, i) => ({ sequence, position: from + i, kind })),
  );
  return {
    tokens: Int32Array.from(extra.tokens ?? rows.map(() => 0)),
    positions: Int32Array.from(rows, (r) => r.position),
    sequences: Int32Array.from(rows, (r) => r.sequence),
    kinds: Uint8Array.from(rows, (r) => r.kind),
    blockTables,
    logitRows: Int32Array.from(extra.logitRows ?? []),
  };
}

/** Rows of one sequence from position 0, for ops that do not look across rows. */
export function plainBatch(
  count: number,
  extra: { tokens?: ArrayLike<number>; logitRows?: readonly number[] } = {},
): Batch {
  return batchOf([{ sequence: 0, from: 0, count }], [Int32Array.of(0)], extra);
}
