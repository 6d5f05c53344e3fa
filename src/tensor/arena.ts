import type { Dim, Program, Value } from "./program.ts";
import { operands, rowWidth } from "./program.ts";

/** Where each value of a Program lies in one block of memory, planned before anything runs. */
export interface ArenaPlan {
  /** Byte offset by value id. */
  readonly offsets: readonly number[];
  readonly bytes: number;
}

export interface ArenaLimits {
  readonly maxRows: number;
  readonly maxLogitRows: number;
}

/** Cache line; also enough for any SIMD load. */
const ALIGN = 64;

/** Bytes a value takes at the limits. All element types of values have four bytes. */
export function valueBytes(value: Value, limits: ArenaLimits): number {
  return maxDim(value.shape[0], limits) * rowWidth(value) * 4;
}

/** What lives when: the values, and for each step of a run those that its ops read and write. */
export interface Lifetimes {
  readonly values: readonly Value[];
  readonly inputs: Program["inputs"];
  readonly outputs: Program["outputs"];
  readonly steps: readonly (readonly { readonly reads: readonly Value[]; readonly writes: readonly Value[] }[])[];
}

/** A Program whose ops run one after the other. */
export function inOrder(program: Program): Lifetimes {
  return { ...program, steps: program.ops.map((op) => [operands(op)]) };
}

/**
 * Gives every value an offset. Values whose lifetimes do not overlap share memory; inputs live from the start,
 * outputs to the end, so that both can be read after the run. First fit over the free gaps, in order of the steps.
 */
export function planArena(program: Lifetimes, limits: ArenaLimits): ArenaPlan {
  const end = program.steps.length;
  const birth = new Array<number>(program.values.length).fill(end);
  const death = new Array<number>(program.values.length).fill(-1);
  for (const [step, ops] of program.steps.entries()) {
    for (const { reads, writes } of ops) {
      for (const { id } of writes) {
        birth[id] = Math.min(birth[id]!, step);
        death[id] = Math.max(death[id]!, step);
      }
      for (const { id } of reads) death[id] = step;
    }
  }
  for (const { id } of program.inputs.values()) birth[id] = -1;
  for (const { id } of program.outputs.values()) death[id] = end;

  const offsets = new Array<number>(program.values.length).fill(0);
  const live: { offset: number; bytes: number; death: number }[] = [];
  let total = 0;
  const order = [...program.values].sort((a, b) => birth[a.id]! - birth[b.id]!);
  for (const value of order) {
    const born = birth[value.id]!;
    for (let i = live.length - 1; i >= 0; i--) if (live[i]!.death < born) live.splice(i, 1);
    const bytes = Math.ceil(valueBytes(value, limits) / ALIGN) * ALIGN;
    let offset = 0;
    let at = 0;
    while (at < live.length && live[at]!.offset - offset < bytes) {
      offset = Math.max(offset, live[at]!.offset + live[at]!.bytes);
      at++;
    }
    live.splice(at, 0, { offset, bytes, death: death[value.id]! });
    offsets[value.id] = offset;
    total = Math.max(total, offset + bytes);
  }
  return { offsets, bytes: total };
}

function maxDim(dim: Dim, limits: ArenaLimits): number {
  if (dim === "rows") return limits.maxRows;
  return dim === "logitRows" ? limits.maxLogitRows : dim;
}
