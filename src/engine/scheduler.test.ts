import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ApiError, CacheFullError } from "../errors.ts";
import { ROW_GENERATED, ROW_PROMPT } from "../tensor/backend.ts";
import { BlockPool } from "./block-pool.ts";
import { type PlannedRows, Scheduler, type StepBudget } from "./scheduler.ts";
import { Sequence, type SequenceOptions } from "./sequence.ts";
import { toBatch } from "./step-batch.ts";

const PAGE = 4;

function setUp(pages: number, budget: Partial<StepBudget> = {}, deterministic = false) {
  const pool = new BlockPool({ pages, pageSize: PAGE, deterministic });
  const scheduler = new Scheduler(pool, { maxRows: 16, maxSeqs: 4, maxWaiting: 8, ...budget });
  return { pool, scheduler };
}

/** A prompt that shares nothing with one of another seed. */
function prompt(length: number, seed = 0): number[] {
  return Array.from({ length }, (_, i) => 1000 * (seed + 1) + i);
}

function sequence(length: number, options: Partial<SequenceOptions> & { seed?: number } = {}): Sequence {
  return new Sequence({ prompt: prompt(length, options.seed), maxLength: length + 8, ...options });
}

/** What a step did, as `count@start` of each sequence. */
const shown = (plan: readonly PlannedRows[]) => plan.map(({ start, count }) => `${count}@${start}`);

/** Gives every sequence that is computed its next token. */
function sample(scheduler: Scheduler, token = 7): void {
  for (const running of scheduler.running) if (running.remaining === 0) running.tokens.push(token);
}

describe("the scheduler", () => {
  it("reads a prompt in chunks that end with pages, then one token a step", () => {
    const { scheduler } = setUp(16, { maxRows: 10 });
    scheduler.add(sequence(21));
    expect(shown(scheduler.schedule())).toEqual(["8@0"]);
    expect(shown(scheduler.schedule())).toEqual(["8@8"]);
    expect(shown(scheduler.schedule())).toEqual(["5@16"]);
    sample(scheduler);
    expect(shown(scheduler.schedule())).toEqual(["1@21"]);
  });

  it("goes on with running streams while a long prompt is read, which gets a part of the step", () => {
    const { scheduler } = setUp(64);
    scheduler.add(sequence(3, { seed: 1 }));
    scheduler.schedule();
    sample(scheduler);
    scheduler.add(sequence(40, { seed: 2 }));
    for (let step = 0; step < 10; step++) {
      const plan = scheduler.schedule();
      expect(shown(plan)).toEqual([`1@${3 + step}`, `4@${4 * step}`]);
      if (step < 9) for (const { sequence } of plan) if (sequence.remaining === 0) sequence.tokens.push(7);
    }
  });

  it("lets a short prompt pass while a long one is read, and the long one goes on", () => {
    const { scheduler } = setUp(64);
    scheduler.add(sequence(100, { seed: 1 }));
    scheduler.schedule();
    scheduler.add(sequence(5, { seed: 2 }));
    expect(shown(scheduler.schedule())).toEqual(["8@16", "5@0"]);
  });

  it("puts the next tokens of all streams in one step", () => {
    const { scheduler } = setUp(16);
    for (let seed = 0; seed < 4; seed++) scheduler.add(sequence(3, { seed }));
    scheduler.schedule();
    sample(scheduler);
    expect(shown(scheduler.schedule())).toEqual(["1@3", "1@3", "1@3", "1@3"]);
  });

  it("lets nobody in whose beginning is being restored, and lets none wait for that", () => {
    const { scheduler } = setUp(16, { maxSeqs: 1 });
    const [first, second] = [sequence(3, { seed: 1, priority: 1 }), sequence(3, { seed: 2 })];
    first.restoring = true;
    scheduler.add(first);
    expect(scheduler.schedule()).toEqual([]);
    scheduler.add(second);
    expect(scheduler.schedule().map(({ sequence }) => sequence)).toEqual([second]);
    scheduler.restored(first);
    expect(scheduler.schedule().map(({ sequence }) => sequence)).toEqual([first]);
  });

  it("takes the higher priority first, and makes room for it", () => {
    const { scheduler } = setUp(16, { maxSeqs: 1 });
    const [low, high, other] = [
      sequence(3, { seed: 1 }),
      sequence(3, { seed: 2, priority: 1 }),
      sequence(3, { seed: 3 }),
    ];
    scheduler.add(low);
    scheduler.add(other);
    scheduler.schedule();
    expect(scheduler.running).toEqual([low]);
    scheduler.add(high);
    scheduler.schedule();
    expect(scheduler.running).toEqual([high]);
    expect(scheduler.waiting).toEqual([low, other]);
    scheduler.remove(high);
    scheduler.schedule();
    expect(scheduler.running).toEqual([low]);
  });

  it("when pages run out, the newest gives up its own and is computed again with the same kinds of rows", () => {
    const { pool, scheduler } = setUp(4, { maxSeqs: 2 });
    const [old, young] = [sequence(5, { seed: 1, maxLength: 12 }), sequence(3, { seed: 2, maxLength: 8 })];
    scheduler.add(old);
    scheduler.add(young);
    scheduler.schedule();
    while (old.numComputed < 8) {
      sample(scheduler);
      scheduler.schedule();
    }
    expect(young.pages).toHaveLength(2);
    sample(scheduler);
    scheduler.schedule(); // the ninth token of the old one needs a third page
    expect(scheduler.running).toEqual([old]);
    expect([scheduler.preemptions, young.numComputed, young.pages.length]).toEqual([1, 0, 0]);
    const computed = young.tokens.length;
    scheduler.remove(old);
    const [rows] = scheduler.schedule();
    expect(rows).toMatchObject({ sequence: young, start: 4 }); // its first page was still there
    const { kinds } = toBatch([{ ...rows!, start: 0, count: computed }]);
    expect([...kinds]).toEqual([ROW_PROMPT, ROW_PROMPT, ROW_PROMPT, ...Array(computed - 3).fill(ROW_GENERATED)]);
    scheduler.remove(young);
    expect(pool.available).toBe(4);
  });

  it("refuses what could never fit, and what is too much to wait", () => {
    const { scheduler } = setUp(3, { maxSeqs: 1, maxWaiting: 1 });
    expect(() => scheduler.add(sequence(10))).toThrow(CacheFullError);
    scheduler.add(sequence(3));
    scheduler.add(sequence(3)); // nothing runs yet, so one place is free beside the queue's
    expect(() => scheduler.add(sequence(3))).toThrow(ApiError);
    scheduler.schedule();
    expect(() => scheduler.add(sequence(3))).toThrow(expect.objectContaining({ status: 503, code: "queue_full" }));
  });

  it("choices of one prompt read it once, together", () => {
    const { pool, scheduler } = setUp(64, { maxRows: 32 });
    const choices = Array.from({ length: 4 }, () => sequence(43));
    for (const choice of choices) scheduler.add(choice);
    let rows = 0;
    while (choices.some(({ remaining }) => remaining > 0)) {
      for (const { count } of scheduler.schedule()) rows += count;
    }
    // All but the last page, which is not full: each has its own.
    expect(rows).toBe(40 + 4 * 3);
    expect(new Set(choices.flatMap(({ pages }) => pages)).size).toBe(10 + 4);
    for (const choice of choices) scheduler.remove(choice);
    expect(pool.available).toBe(64);
  });

  it("choices read their prompt once also where a step has less than a page for it: the others wait", () => {
    const { scheduler } = setUp(64, { promptRowsBeside: 2 });
    const stream = sequence(3, { seed: 1 });
    scheduler.add(stream);
    scheduler.schedule();
    const choices = [1, 2, 3].map(() => sequence(10));
    for (const choice of choices) scheduler.add(choice);
    let rows = 0;
    while (choices.some(({ remaining }) => remaining > 0)) {
      stream.tokens.push(7);
      const plan = scheduler.schedule();
      expect(plan[0]).toMatchObject({ sequence: stream, count: 1 });
      for (const { count } of plan.slice(1)) rows += count;
    }
    expect(rows).toBe(8 + 3 * 2);
  });

  it("what a failed step left is not taken for computed", () => {
    const { pool, scheduler } = setUp(16);
    const [failed, other] = [sequence(12), sequence(12)];
    scheduler.add(failed);
    scheduler.add(other);
    const plan = scheduler.schedule();
    for (const { sequence, start } of plan) pool.retract(sequence, start);
    scheduler.remove(failed);
    scheduler.restart();
    expect(shown(scheduler.schedule())).toEqual(["12@0"]);
  });

  it("holds its promises whatever comes, and loses no page", () => {
    const arrival = fc.record({
      kind: fc.constant("add" as const),
      length: fc.integer({ min: 1, max: 30 }),
      more: fc.integer({ min: 1, max: 12 }),
      priority: fc.integer({ min: 0, max: 2 }),
      /** Prompts of one topic begin alike. */
      topic: fc.integer({ min: 0, max: 2 }),
      salt: fc.constantFrom("", "tenant"),
      restoring: fc.boolean(),
    });
    const chosen = <const K extends string>(kind: K) => fc.record({ kind: fc.constant(kind), which: fc.nat() });
    const event = fc.oneof(
      { weight: 3, arbitrary: arrival },
      { weight: 1, arbitrary: chosen("cancel") },
      { weight: 2, arbitrary: chosen("restore a page") },
      { weight: 1, arbitrary: chosen("end restoring") },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("fail" as const) }) },
      { weight: 6, arbitrary: fc.record({ kind: fc.constant("step" as const) }) },
    );
    const settings = fc.record({
      pages: fc.integer({ min: 11, max: 20 }),
      maxSeqs: fc.integer({ min: 1, max: 5 }),
      spareRows: fc.integer({ min: 1, max: 20 }),
      deterministic: fc.boolean(),
    });
    fc.assert(
      fc.property(settings, fc.array(event, { maxLength: 80 }), (limits, events) => {
        const { pages, maxSeqs, spareRows, deterministic } = limits;
        const maxRows = maxSeqs + spareRows;
        const { pool, scheduler } = setUp(pages, { maxRows, maxSeqs, maxWaiting: 4 }, deterministic);
        const world = new World(pool, scheduler, { maxRows, maxSeqs, deterministic });
        for (const event of events) {
          if (event.kind === "add") world.add(event);
          else if (event.kind === "cancel") world.cancel(event.which);
          else if (event.kind === "restore a page") world.restorePage(event.which);
          else if (event.kind === "end restoring") world.endRestoring(event.which);
          else world.step(event.kind === "fail");
        }
        for (let steps = 0; world.alive > 0; steps++) {
          expect(steps).toBeLessThan(2000);
          world.endRestoring(0);
          world.step(false);
        }
        expect(pool.available).toBe(pages);
      }),
      { numRuns: 300, seed: 5 },
    );
  });
});

interface WorldLimits {
  readonly maxRows: number;
  readonly maxSeqs: number;
  readonly deterministic: boolean;
}

/** Plays the engine and the network: the cache holds for each place the text up to there, which rows must find as it should be. */
class World {
  readonly #pool: BlockPool;
  readonly #scheduler: Scheduler;
  readonly #limits: WorldLimits;
  readonly #cache = new Map<number, string>();
  readonly #live = new Map<Sequence, number>(); // with the length it wants

  constructor(pool: BlockPool, scheduler: Scheduler, limits: WorldLimits) {
    this.#pool = pool;
    this.#scheduler = scheduler;
    this.#limits = limits;
  }

  get alive(): number {
    return this.#live.size;
  }

  add(wish: { length: number; more: number; priority: number; topic: number; salt: string; restoring: boolean }): void {
    const { length, more, priority, topic, salt } = wish;
    const added = new Sequence({ prompt: prompt(length, topic), maxLength: length + more, priority, salt });
    added.restoring = wish.restoring;
    try {
      this.#scheduler.add(added);
      this.#live.set(added, length + more);
    } catch (error) {
      expect(error).toMatchObject({ code: "queue_full" });
    }
  }

  cancel(which: number): void {
    const gone = [...this.#live.keys()][which % Math.max(1, this.#live.size)];
    if (!gone) return;
    this.#end(gone);
    expect(gone.pages).toEqual([]);
  }

  /** What was computed once is put into a place of its own, between two steps. */
  restorePage(which: number): void {
    const sequence = this.#restoring(which);
    if (!sequence) return;
    const index = this.#pool.known(sequence).length;
    if (index === this.#pool.sharedPages(sequence)) return;
    const node = this.#pool.adopt(sequence, index, PAGE * (index + 1));
    if (!node) return;
    for (let i = 0; i < PAGE; i++) this.#cache.set(PAGE * node.page + i, this.#content(sequence, PAGE * index + i));
  }

  endRestoring(which: number): void {
    const sequence = this.#restoring(which);
    if (sequence) this.#scheduler.restored(sequence);
  }

  #restoring(which: number): Sequence | undefined {
    const all = [...this.#live.keys()].filter(({ restoring }) => restoring);
    return all[which % Math.max(1, all.length)];
  }

  step(fails: boolean): void {
    const ready = [...this.#live.keys()].filter(({ restoring }) => !restoring);
    const first = ready.sort((a, b) => b.priority - a.priority || a.arrival - b.arrival)[0];
    const plan = this.#scheduler.schedule();
    if (first) expect(plan.map(({ sequence }) => sequence)).toContain(first);
    expect(plan.reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(this.#limits.maxRows);
    expect(plan.length).toBeLessThanOrEqual(this.#limits.maxSeqs);
    expect(new Set(plan.map(({ sequence }) => sequence)).size).toBe(plan.length);
    for (const running of this.#scheduler.running) {
      expect(running.restoring).toBe(false);
      for (const waiting of this.#scheduler.waiting.filter(({ restoring }) => !restoring)) {
        const ahead = running.priority - waiting.priority || waiting.arrival - running.arrival;
        expect(ahead).toBeGreaterThan(0);
      }
    }
    if (fails) {
      // Nothing was written: what the pages hold is what they held before.
      for (const { sequence, start } of plan) this.#pool.retract(sequence, start);
      for (const { sequence } of plan) this.#end(sequence);
      this.#scheduler.restart();
      return;
    }
    this.#run(plan);
    for (const { sequence } of plan) this.#checkPublished(sequence);
    for (const { sequence } of plan) {
      if (sequence.remaining > 0) continue;
      if (sequence.tokens.length === this.#live.get(sequence)) this.#end(sequence);
      else sequence.tokens.push(5);
    }
  }

  /** First all rows write, then all read: so it is in every layer of a network. */
  #run(plan: readonly PlannedRows[]): void {
    const { tokens, positions, sequences, kinds, blockTables } = toBatch(plan);
    const written = new Set<number>();
    for (const [row, position] of positions.entries()) {
      const { sequence } = plan[sequences[row]!]!;
      expect(tokens[row]).toBe(sequence.tokens[position]);
      expect(kinds[row]).toBe(position < sequence.promptLength ? ROW_PROMPT : ROW_GENERATED);
      const place = this.#place(blockTables[sequences[row]!]!, position);
      expect(written.has(place)).toBe(false); // no two rows share a place, nor is a page written that others hold
      written.add(place);
      this.#cache.set(place, this.#content(sequence, position));
    }
    for (const [row, position] of positions.entries()) {
      const { sequence } = plan[sequences[row]!]!;
      for (let before = 0; before <= position; before++) {
        const found = this.#cache.get(this.#place(blockTables[sequences[row]!]!, before));
        expect(found).toBe(this.#content(sequence, before));
      }
    }
  }

  /** What others can find, and a store would keep, is what the sequence's own pages hold. */
  #checkPublished(sequence: Sequence): void {
    for (const [index, node] of this.#pool.published(sequence).entries()) {
      expect(this.#pool.holds(node)).toBe(true);
      for (let i = 0; i < PAGE; i++) {
        expect(this.#cache.get(PAGE * node.page + i)).toBe(this.#content(sequence, PAGE * index + i));
      }
    }
  }

  /** The text, and where bits count also by what kinds of rows it was computed. */
  #content({ tokens, salt, promptLength }: Sequence, position: number): string {
    const prompt = this.#limits.deterministic ? Math.min(promptLength, position + 1) : "";
    return `${salt}:${prompt}:${tokens.slice(0, position + 1).join(",")}`;
  }

  #place(table: Int32Array, position: number): number {
    const page = table[Math.floor(position / PAGE)]!;
    expect(page).toBeGreaterThanOrEqual(0);
    return page * PAGE + (position % PAGE);
  }

  #end(sequence: Sequence): void {
    this.#scheduler.remove(sequence);
    this.#live.delete(sequence);
  }
}
