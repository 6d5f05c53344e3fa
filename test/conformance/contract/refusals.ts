import { expect } from "vitest";
import type { Backend, Batch, Numerics } from "../../../src/tensor/backend.ts";
import type { DType } from "../../../src/tensor/dtype.ts";
import type { CacheDType, Op, Program } from "../../../src/tensor/program.ts";
import { OP_KINDS } from "../../../src/tensor/program.ts";
import { Recorder } from "../../../src/tensor/recorder.ts";
import { batchOf } from "../cases/batches.ts";
import { prepare } from "../execute.ts";
import { Random } from "../random.ts";
import { f32Weight, randomWeight } from "../weights.ts";
import { doublingProgram, PAGE_SIZE } from "./programs.ts";
import { type Harness, LIMITS, PAGES, runAndRead } from "./session.ts";

const TABLES = [Int32Array.of(3, 1)];
const LAST = 2 * PAGE_SIZE - 1;
const TOKENS = 5;

/** Embedding and a plain input, so that a batch can be wrong in every way. */
function lookupProgram(): Program {
  const g = new Recorder("lookup", { pageSize: PAGE_SIZE, layers: [] });
  const table = f32Weight("table", [TOKENS, 2], new Random(1).normals(TOKENS * 2));
  g.output("sum", g.add(g.embed(table), g.input("x", 2)));
  return g.finish();
}

function lookup(tokens: readonly number[], change: Partial<Batch> = {}): Batch {
  const batch = batchOf([{ sequence: 0, from: 0, count: tokens.length }], TABLES, { tokens });
  return { ...batch, ...change };
}

const WRONG_BATCHES: Record<string, Batch> = {
  "more rows than it was compiled for": lookup(new Array(LIMITS.maxRows + 1).fill(0), {
    positions: new Int32Array(LIMITS.maxRows + 1),
  }),
  "more sequences than it was compiled for": lookup([1], {
    blockTables: new Array(LIMITS.maxSeqs + 1).fill(TABLES[0]),
  }),
  "more logit rows than it was compiled for": lookup([1], { logitRows: new Int32Array(LIMITS.maxLogitRows + 1) }),
  "a token past the vocabulary": lookup([1, TOKENS]),
  "a negative token": lookup([-1]),
  "a position past the pages of its sequence": lookup([1], { positions: Int32Array.of(LAST + 1) }),
  "a negative position": lookup([1], { positions: Int32Array.of(-1) }),
  "a sequence without a block table": lookup([1], { sequences: Int32Array.of(1) }),
  "a page past the cache": lookup([1], { blockTables: [Int32Array.of(0, PAGES)] }),
  "a negative page": lookup([1], { blockTables: [Int32Array.of(-1, 0)] }),
  "a logit row past the rows": lookup([1, 2], { logitRows: Int32Array.of(2) }),
  "fewer positions than tokens": lookup([1, 2], { positions: Int32Array.of(0) }),
  "fewer sequences than tokens": lookup([1, 2], { sequences: Int32Array.of(0) }),
  "fewer kinds than tokens": lookup([1, 2], { kinds: Uint8Array.of(0) }),
};

/** What a backend refuses, and that it goes on working afterwards. */
export function refusals({ test }: Harness): void {
  const good = lookup([4, 0, 4], { positions: Int32Array.of(0, 1, LAST) });
  const x = Float32Array.of(1, 2, 3, 4, 5, 6);

  for (const [what, batch] of Object.entries(WRONG_BATCHES)) {
    test(`a batch with ${what} is refused before anything runs`, [lookupProgram()], async (s) => {
      const executable = await s.compile(lookupProgram());
      const want = await runAndRead(executable, good, { x });
      const inputs = { x: new Float32Array(batch.tokens.length * 2) };
      await expect((async () => executable.run(batch, inputs))()).rejects.toMatchObject({ code: "batch" });
      expect(await runAndRead(executable, good, { x })).toEqual(want);
    });
  }

  test("an input that is missing or of the wrong length is refused by name", [lookupProgram()], async (s) => {
    const executable = await s.compile(lookupProgram());
    const wrong: Record<string, Float32Array>[] = [{}, { x: x.subarray(1) }, { x: new Float32Array(8) }, { y: x }];
    for (const inputs of wrong) {
      await expect((async () => executable.run(good, inputs))()).rejects.toThrow(/\bx\b/);
    }
    expect((await runAndRead(executable, good, { x })).sum).toHaveLength(6);
  });

  test("weights of a type outside the capability table are refused", [], async ({ backend }) => {
    const known = randomWeight(new Random(2), "weight", "F32", [2, 2]);
    const odd = { ...known, dtype: "Q9_Z" as DType };
    await expect((async () => backend.loadWeight(odd, new Set(["linear"])))()).rejects.toMatchObject(UNSUPPORTED);
    expect((await backend.loadWeight(known, new Set(["linear"]))).bytes).toBeGreaterThan(0);
  });

  test("a cache of a type outside the capability table is refused", [], async ({ backend }) => {
    const listed = backend.describe().cacheDTypes;
    for (const dtype of ["f32", "f16", "q8_0", "q9_z"] as CacheDType[]) {
      const open = () => backend.allocCache({ pageSize: 4, layers: [[{ name: "key", width: 64, dtype }]] }, 2);
      if (listed.has(dtype)) expect(open().bytes).toBeGreaterThan(0);
      else expect(open).toThrow(expect.objectContaining(UNSUPPORTED));
    }
  });

  test("numerics outside the capability table are refused", [doublingProgram(2)], async ({ backend, cacheFor }) => {
    const cache = cacheFor(doublingProgram(2));
    for (const numerics of ["exact", "fast", "approximate"] as Numerics[]) {
      if (backend.describe().numerics.has(numerics)) continue; // never true of the last one
      const compiled = prepare(backend, doublingProgram(2), { ...LIMITS, cache, numerics });
      await expect(compiled).rejects.toMatchObject(UNSUPPORTED);
    }
  });

  test("an op outside the capability table is refused", [doublingProgram(2)], async (s) => {
    const program = doublingProgram(2);
    for (const kind of [...OP_KINDS, "convolve"]) {
      if (s.backend.describe().ops.has(kind as Op["kind"])) continue;
      const ops = [{ ...program.ops[0]!, kind } as Op];
      await expect(s.compile({ ...program, ops }), kind).rejects.toMatchObject(UNSUPPORTED);
    }
  });

  test("a Program whose weights were not all given is refused by name", [lookupProgram()], async (s) => {
    const cache = s.cacheFor(lookupProgram());
    const options = { ...LIMITS, cache, numerics: s.numerics, weights: new Map() };
    await expect((async () => s.backend.compile(lookupProgram(), options))()).rejects.toThrow(/table/);
  });
}

const UNSUPPORTED = { code: "unsupported_op" };

/** Who closes what, and what is left afterwards. */
export function closing({ test }: Harness): void {
  const batch = batchOf([{ sequence: 0, from: 0, count: 1 }], TABLES);
  const x = Float32Array.of(1, 2);
  const lookupOne = lookup([1]);

  test("a closed Executable refuses to run, and others go on", [doublingProgram(2)], async (s) => {
    const [closed, open] = [await s.compile(doublingProgram(2)), await s.compile(doublingProgram(2))];
    closed.close();
    await expect((async () => closed.run(batch, { x }))()).rejects.toThrow();
    expect((await runAndRead(open, batch, { x })).y).toEqual([2, 4]);
  });

  test("a run under way when its Executable closes still settles", [doublingProgram(2)], async (s) => {
    const executable = await s.compile(doublingProgram(2));
    const run = executable.run(batch, { x });
    executable.close();
    await expect(Promise.allSettled([run])).resolves.toHaveLength(1);
  });

  test("a closed weight cannot be used", [lookupProgram()], async (s) => {
    const { source, uses } = lookupProgram().weights.get("table")!;
    const weight = await s.backend.loadWeight(source, uses);
    weight.close();
    const options = { ...LIMITS, cache: s.cacheFor(lookupProgram()), numerics: s.numerics };
    const use = async () => {
      const executable = await s.backend.compile(lookupProgram(), {
        ...options,
        weights: new Map([["table", weight]]),
      });
      await executable.run(lookupOne, { x });
    };
    await expect(use()).rejects.toThrow();
  });

  test("a closed backend hands out nothing, and what it handed out is closed", [lookupProgram()], async (s) => {
    const { source, uses } = lookupProgram().weights.get("table")!;
    const cache = s.cacheFor(lookupProgram());
    const weight = await s.backend.loadWeight(source, uses);
    const executable = await s.compile(lookupProgram(), cache);
    s.backend.close();
    const options = { ...LIMITS, cache, numerics: s.numerics, weights: new Map([["table", weight]]) };
    await expect((async () => executable.run(lookupOne, { x }))()).rejects.toThrow();
    await expect((async () => s.backend.loadWeight(source, uses))()).rejects.toThrow();
    await expect((async () => s.backend.compile(lookupProgram(), options))()).rejects.toThrow();
    expect(() => s.backend.allocCache(lookupProgram().cache, 1)).toThrow();
  });

  test("closing twice does no harm", [lookupProgram()], async (s) => {
    const { source, uses } = lookupProgram().weights.get("table")!;
    const handles: Pick<Backend, "close">[] = [
      await s.compile(lookupProgram()),
      await s.backend.loadWeight(source, uses),
      s.cacheFor(lookupProgram()),
      s.backend,
    ];
    for (const handle of [...handles, ...handles]) expect(() => handle.close()).not.toThrow();
  });
}

/** What a backend says about itself. */
export function description({ test }: Harness): void {
  test("the capability table is filled in", [], async ({ backend }) => {
    const caps = backend.describe();
    expect(caps.name).toMatch(/^[a-z][a-z0-9-]*$/);
    expect(caps.device).not.toBe("");
    expect(caps.numerics.size).toBeGreaterThan(0);
    expect(caps.cacheDTypes.size).toBeGreaterThan(0);
    expect(caps.preferredRows).toBeGreaterThan(0);
    for (const op of caps.ops) expect(OP_KINDS).toContain(op);
  });

  test("handles tell what memory they take", [lookupProgram()], async (s) => {
    const cache = s.backend.allocCache({ pageSize: 4, layers: [[{ name: "key", width: 6, dtype: "f32" }]] }, 5);
    expect(cache.pages).toBe(5);
    expect(cache.bytes).toBeGreaterThanOrEqual(5 * 4 * 6 * 4);
    const { source, uses } = lookupProgram().weights.get("table")!;
    const weight = await s.backend.loadWeight(source, uses);
    expect(weight.name).toBe("table");
    expect(weight.bytes).toBeGreaterThanOrEqual(TOKENS * 2 * 4);
    expect((await s.compile(lookupProgram())).scratchBytes).toBeGreaterThan(0);
  });
}
