import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inOrder, planArena, valueBytes } from "./arena.ts";
import type { Program, Value } from "./program.ts";
import { operands } from "./program.ts";
import { Recorder } from "./recorder.ts";

const NO_CACHE = { pageSize: 16, layers: [] };
const LIMITS = { maxRows: 10, maxLogitRows: 3 };

/** A Program of additions: each step adds two of the values there are; some values are named as outputs. */
const programs = fc
  .record({
    inputs: fc.integer({ min: 1, max: 4 }),
    widths: fc.constantFrom(1, 16, 33, 100),
    steps: fc.array(fc.record({ a: fc.nat(), b: fc.nat(), output: fc.boolean(), gather: fc.boolean() }), {
      maxLength: 30,
    }),
  })
  .map(({ inputs, widths, steps }) => {
    const g = new Recorder("random", NO_CACHE);
    const values = Array.from({ length: inputs }, (_, i) => g.input(`x${i}`, widths));
    for (const [i, { a, b, output, gather }] of steps.entries()) {
      const sum = g.add(values[a % values.length]!, values[b % values.length]!);
      values.push(sum);
      if (output) g.output(`y${i}`, sum);
      if (gather) g.gatherRows(sum);
    }
    return g.finish();
  });

/** The steps from which to which a value's memory is its own; -1 is before the first op. */
function lifetime(program: Program, value: Value): [number, number] {
  const touched = program.ops.flatMap((op, step) => {
    const { reads, writes } = operands(op);
    return [...reads, ...writes].some(({ id }) => id === value.id) ? [step] : [];
  });
  const isInput = [...program.inputs.values()].some(({ id }) => id === value.id);
  const isOutput = [...program.outputs.values()].some(({ id }) => id === value.id);
  return [isInput ? -1 : Math.min(...touched), isOutput ? program.ops.length : Math.max(-1, ...touched)];
}

function chain(length: number): Program {
  const g = new Recorder("chain", NO_CACHE);
  let x = g.input("x", 16);
  for (let i = 0; i < length; i++) x = g.add(x, x);
  g.output("out", x);
  return g.finish();
}

describe("planArena", () => {
  it("gives no two values that live at the same time the same memory", () => {
    fc.assert(
      fc.property(programs, (program) => {
        const { offsets } = planArena(inOrder(program), LIMITS);
        const spans = program.values.map((value) => {
          const [from, to] = lifetime(program, value);
          const start = offsets[value.id]!;
          return { from, to, start, end: start + valueBytes(value, LIMITS) };
        });
        for (const [i, a] of spans.entries()) {
          for (const b of spans.slice(i + 1)) {
            const together = a.from <= b.to && b.from <= a.to;
            if (together && a.start < b.end && b.start < a.end) return false;
          }
        }
        return true;
      }),
    );
  });

  it("keeps every value inside its bytes, at the start of a cache line", () => {
    fc.assert(
      fc.property(programs, (program) => {
        const { offsets, bytes } = planArena(inOrder(program), LIMITS);
        return program.values.every((value) => {
          const offset = offsets[value.id]!;
          return offset % 64 === 0 && offset >= 0 && offset + valueBytes(value, LIMITS) <= bytes;
        });
      }),
    );
  });

  it("needs no more for a longer chain: memory of what is done with is used again", () => {
    expect(planArena(inOrder(chain(100)), LIMITS).bytes).toBe(planArena(inOrder(chain(2)), LIMITS).bytes);
    expect(planArena(inOrder(chain(100)), LIMITS).bytes).toBe(2 * 10 * 16 * 4);
  });

  it("never reuses the memory of an output", () => {
    const g = new Recorder("outputs", NO_CACHE);
    let x = g.input("x", 16);
    for (let i = 0; i < 5; i++) {
      x = g.add(x, x);
      g.output(`y${i}`, x);
    }
    const program = g.finish();
    const { offsets } = planArena(inOrder(program), LIMITS);
    const kept = [...program.outputs.values()].map(({ id }) => offsets[id]);
    expect(new Set(kept).size).toBe(5);
  });

  it("keeps an input that no op reads apart from the others", () => {
    const g = new Recorder("unread", NO_CACHE);
    g.input("unread", 16);
    const x = g.input("x", 16);
    g.output("out", x);
    const { offsets } = planArena(inOrder(g.finish()), LIMITS);
    expect(offsets[0]).not.toBe(offsets[1]);
  });

  it("sizes rows and logit rows by their own limits", () => {
    const g = new Recorder("logits", NO_CACHE);
    const x = g.input("x", 2, 5);
    const gathered = g.gatherRows(x);
    expect(valueBytes(x, LIMITS)).toBe(10 * 10 * 4);
    expect(valueBytes(gathered, LIMITS)).toBe(3 * 10 * 4);
  });
});
