import { expect } from "vitest";
import { batchOf } from "../cases/batches.ts";
import { Random } from "../random.ts";
import {
  ATTENTION_INPUTS,
  attentionProgram,
  doublingProgram,
  PAGE_SIZE,
  readingProgram,
  residualProgram,
} from "./programs.ts";
import { type Harness, readAll, runAndRead } from "./session.ts";

const TABLES = [Int32Array.of(4, 1, 6)];

function prompt(count: number, from = 0) {
  return batchOf([{ sequence: 0, from, count }], TABLES);
}

function attentionInputs(random: Random, rows: number): Record<"q" | "key" | "value", Float32Array> {
  const { q, key, value } = ATTENTION_INPUTS;
  return { q: random.normals(rows * q), key: random.normals(rows * key), value: random.normals(rows * value) };
}

/** When runs happen, and how long what they return can be read. */
export function orderAndLifetime({ test }: Harness): void {
  test(
    "runs that are not awaited happen in the order of the calls, across Executables",
    [attentionProgram()],
    async (s) => {
      const random = new Random(1);
      const [before, after] = [attentionInputs(random, 11), attentionInputs(random, 11)];
      const cache = s.cacheFor(attentionProgram());
      const write = await s.compile(attentionProgram(), cache);
      const read = await s.compile(readingProgram(), cache);
      const want = (await runAndRead(write, prompt(11), before)).out;
      await write.run(prompt(11), after);

      void write.run(prompt(11), before);
      const seen = read.run(prompt(11), { q: before.q });
      void write.run(prompt(11), after);
      expect((await readAll(await seen)).out).toEqual(want);
    },
  );

  test(
    "an output that is the input of another run is read before its own Program runs again",
    [doublingProgram(9)],
    async (s) => {
      const first = await s.compile(doublingProgram(9));
      const second = await s.compile(doublingProgram(9));
      const x = new Random(2).normals(5 * 9);
      const { y } = await first.run(prompt(5), { x });
      const quadrupled = second.run(prompt(5), { x: y! });
      void first.run(prompt(5), { x: new Float32Array(5 * 9) });
      expect((await readAll(await quadrupled)).y).toEqual([...x.map((v) => 4 * v)]);
    },
  );

  test("a failed run does not hold up the next", [doublingProgram(3)], async (s) => {
    const executable = await s.compile(doublingProgram(3));
    const failed = executable.run(prompt(2), {});
    const fine = executable.run(prompt(1), { x: Float32Array.of(1, 2, 3) });
    await expect(failed).rejects.toThrow();
    expect((await readAll(await fine)).y).toEqual([2, 4, 6]);
  });

  test("outputs can be read again and again until their Executable runs next", [doublingProgram(7)], async (s) => {
    const first = await s.compile(doublingProgram(7));
    const other = await s.compile(doublingProgram(7));
    const x = new Random(3).normals(4 * 7);
    const outputs = await first.run(prompt(4), { x });
    const once = await readAll(outputs);
    for (const rows of [24, 1, 17]) await other.run(prompt(rows), { x: new Float32Array(rows * 7).fill(9) });
    expect(await readAll(outputs)).toEqual(once);
    expect(outputs.y).toMatchObject({ shape: [4, 7], dtype: "f32" });
  });

  test(
    "an output can be read into memory of the caller, of which it fills the beginning",
    [doublingProgram(2)],
    async (s) => {
      const executable = await s.compile(doublingProgram(2));
      const { y } = await executable.run(prompt(2), { x: Float32Array.of(1, 2, 3, 4) });
      const memory = new Float32Array(7).fill(9);
      const read = await y!.read(memory.subarray(1, 6));
      expect([...read]).toEqual([2, 4, 6, 8]);
      expect([...memory]).toEqual([9, 2, 4, 6, 8, 9, 9]);
      await expect(y!.read(new Float32Array(3))).rejects.toThrow(RangeError);
    },
  );

  test("what read() returned is a copy that later runs leave alone", [doublingProgram(2)], async (s) => {
    const executable = await s.compile(doublingProgram(2));
    const { y } = await executable.run(prompt(1), { x: Float32Array.of(1, 2) });
    const copy = await y!.read();
    await executable.run(prompt(1), { x: Float32Array.of(5, 6) });
    expect([...copy]).toEqual([2, 4]);
  });

  test("a value stays whole for as long as an op or the caller needs it", [residualProgram(true)], async (s) => {
    const x = new Random(4).normals(17 * 33);
    const named = await runAndRead(await s.compile(residualProgram(true)), prompt(17), { x });
    const reused = await runAndRead(await s.compile(residualProgram(false)), prompt(17), { x });
    expect(reused.out).toEqual(named.out);
    expect(named["3.5"]).toEqual(named.out);
    expect(reused.out!.every(Number.isFinite)).toBe(true);
  });

  test("inputs and batch arrays may be views at any offset of a larger buffer", [attentionProgram()], async (s) => {
    const inputs = attentionInputs(new Random(5), 11);
    const executable = await s.compile(attentionProgram());
    const want = await runAndRead(executable, prompt(11), inputs);
    const batch = prompt(11);
    const views = {
      ...batch,
      tokens: shifted(batch.tokens),
      positions: shifted(batch.positions),
      sequences: shifted(batch.sequences),
      kinds: Uint8Array.from([9, ...batch.kinds]).subarray(1),
      blockTables: batch.blockTables.map(shifted),
    };
    const shiftedInputs = Object.fromEntries(
      Object.entries(inputs).map(([name, values]) => [name, Float32Array.from([9, ...values]).subarray(1)]),
    );
    expect(await runAndRead(executable, views, shiftedInputs)).toEqual(want);
  });
}

/** What Programs that share a cache see of each other. */
export function sharedCache({ test }: Harness): void {
  test("two Programs on layers of one cache do not disturb each other", [attentionProgram()], async (s) => {
    const random = new Random(6);
    const [mine, others] = [attentionInputs(random, 11), attentionInputs(random, 11)];
    const next = attentionInputs(random, 1);
    const alone = await s.compile(attentionProgram(0));
    const want = [await runAndRead(alone, prompt(11), mine), await runAndRead(alone, prompt(1, 11), next)];

    const cache = s.cacheFor(attentionProgram());
    const [lower, upper] = [await s.compile(attentionProgram(0), cache), await s.compile(attentionProgram(1), cache)];
    const got = [await runAndRead(lower, prompt(11), mine)];
    await upper.run(prompt(11), others);
    got.push(await runAndRead(lower, prompt(1, 11), next));
    expect(got).toEqual(want);
  });

  test("a page that is written anew shows nothing of its former sequence", [attentionProgram()], async (s) => {
    const random = new Random(7);
    const [former, later] = [attentionInputs(random, 20), attentionInputs(random, 9)];
    const want = await runAndRead(await s.compile(attentionProgram()), prompt(9), later);
    const executable = await s.compile(attentionProgram());
    await executable.run(prompt(20), former);
    expect(await runAndRead(executable, prompt(9), later)).toEqual(want);
  });

  test("sequences that share the pages of a prefix both read it", [attentionProgram()], async (s) => {
    const random = new Random(8);
    const prefix = attentionInputs(random, PAGE_SIZE);
    const [one, two] = [attentionInputs(random, 1), attentionInputs(random, 1)];
    const executable = await s.compile(attentionProgram());
    const tables = [Int32Array.of(2, 5), Int32Array.of(2, 0)];
    const step = (sequence: number, from: number, count: number) => batchOf([{ sequence, from, count }], tables);
    await executable.run(step(0, 0, PAGE_SIZE), prefix);
    const shared = [
      await runAndRead(executable, step(0, PAGE_SIZE, 1), one),
      await runAndRead(executable, step(1, PAGE_SIZE, 1), two),
    ];
    await executable.run(prompt(PAGE_SIZE), prefix);
    const alone = await runAndRead(executable, prompt(1, PAGE_SIZE), two);
    expect(shared[1]).toEqual(alone);
    expect(shared[0]).not.toEqual(alone);
  });
}

function shifted(values: Int32Array): Int32Array {
  return Int32Array.from([-9, ...values]).subarray(1);
}
