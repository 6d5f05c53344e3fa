import { nextTurn } from "../next-turn.ts";
import type { Batch, DeviceBuffer, Outputs } from "../tensor/backend.ts";
import { ROW_PROMPT } from "../tensor/backend.ts";
import type { BlockPool } from "./block-pool.ts";
import type { PlannedRows, Scheduler } from "./scheduler.ts";
import type { Sequence } from "./sequence.ts";
import { toBatch } from "./step-batch.ts";
import type { StoredPrefixes } from "./stored-prefixes.ts";

/** Milliseconds of choosing tokens after which other work of the process gets its turn. */
const SAMPLING_MS = 8;

/** What the loop works at: an answer, or an embedding. */
export interface Task {
  readonly sequence: Sequence;
  readonly events: { fail(error: unknown): void };
  /**
   * All tokens so far are computed.
   * @param logits [vocabSize] f32, after the last of them
   * @returns whether it goes on, with a token more
   */
  advance(logits: Float32Array): boolean;
  /** Takes the states of tokens from `start` on, [rows, hidden] after the last norm. Left out: nobody reads them. */
  takeStates?(states: Float32Array, start: number): void;
}

/** What the loop has done since the engine was loaded. */
export interface EngineCounters {
  readonly steps: number;
  /** Rows computed. */
  readonly promptRows: number;
  readonly generatedRows: number;
  /** Sequences that had to give up their pages for others. */
  readonly preemptions: number;
}

/**
 * The one loop of an engine: plan a step, run it, choose tokens, tell of them. It runs while there are answers to make.
 * An answer that is cancelled leaves between two steps: then nothing is being written to its pages.
 */
export class EngineLoop {
  readonly #scheduler: Scheduler;
  readonly #pool: BlockPool;
  readonly #run: (batch: Batch) => Promise<Outputs>;
  readonly #stored: StoredPrefixes | null;
  readonly #answers = new Map<Sequence, Task>();
  readonly #cancelled = new Set<Task>();
  readonly #counters = { steps: 0, promptRows: 0, generatedRows: 0 };
  /** Of the last step. The same memory each time: it is megabytes, which would keep the garbage collector busy. */
  #logits = new Float32Array(0);
  #stepping = false;
  /** Ends the pause of the loop while all there is waits for its stored beginning. */
  #wake: () => void = () => undefined;
  /** The loop, while it runs. */
  #loop: Promise<void> | null = null;

  constructor(
    scheduler: Scheduler,
    pool: BlockPool,
    run: (batch: Batch) => Promise<Outputs>,
    stored: StoredPrefixes | null = null,
  ) {
    this.#scheduler = scheduler;
    this.#pool = pool;
    this.#run = run;
    this.#stored = stored;
  }

  get counters(): EngineCounters {
    return { ...this.#counters, preemptions: this.#scheduler.preemptions };
  }

  /** @throws CacheFullError, ApiError 503: see Scheduler.add */
  submit(answer: Task): void {
    this.#scheduler.add(answer.sequence);
    this.#answers.set(answer.sequence, answer);
    if (this.#stored && this.#pool.sharedPages(answer.sequence) > 0) void this.#restore(answer.sequence, this.#stored);
    this.#loop ??= this.#steps();
    this.#wake();
  }

  async #restore(sequence: Sequence, stored: StoredPrefixes): Promise<void> {
    sequence.restoring = true;
    try {
      await stored.restore(sequence, () => this.#answers.has(sequence));
    } catch (error) {
      this.#fail(sequence, error);
    }
    this.#scheduler.restored(sequence);
    this.#wake();
  }

  /** Nobody wants the answer any more, however far it is. @returns false when it had ended by itself */
  cancel(answer: Task): boolean {
    if (!this.#answers.has(answer.sequence)) return false;
    if (this.#stepping && this.#scheduler.running.includes(answer.sequence)) this.#cancelled.add(answer);
    else this.#remove(answer);
    return true;
  }

  /** Resolves when there is nothing to do. */
  async idle(): Promise<void> {
    await this.#loop;
  }

  async #steps(): Promise<void> {
    await Promise.resolve(); // what is submitted in one go starts in one step
    while (this.#answers.size > 0) {
      this.#stepping = true;
      let plan: readonly PlannedRows[] = [];
      try {
        plan = this.#scheduler.schedule();
        if (plan.length > 0 || !this.#scheduler.waiting.some(({ restoring }) => restoring)) await this.#step(plan);
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      } catch (error) {
        this.#undo(plan, error);
      }
      this.#stepping = false;
      for (const answer of this.#cancelled) this.#remove(answer);
      this.#cancelled.clear();
    }
    this.#loop = null;
  }

  /** A step has failed: so have the answers in it. Others may have built on its pages. */
  #undo(plan: readonly PlannedRows[], error: unknown): void {
    for (const { sequence, start } of plan) this.#pool.retract(sequence, start);
    const failed = plan.length > 0 ? plan.map(({ sequence }) => sequence) : [...this.#answers.keys()];
    for (const sequence of failed) this.#fail(sequence, error);
    this.#scheduler.restart();
  }

  async #step(plan: readonly PlannedRows[]): Promise<void> {
    if (plan.length === 0) throw new Error("the scheduler gave nobody a row");
    const batch = toBatch(plan);
    const outputs = await this.#run(batch);
    this.#counters.steps++;
    for (const kind of batch.kinds) this.#counters[kind === ROW_PROMPT ? "promptRows" : "generatedRows"]++;
    await this.#takeStates(plan, outputs);
    if (batch.logitRows.length === 0) return;
    const logits = await this.#readLogits(outputs.logits!);
    const width = logits.length / batch.logitRows.length;
    let row = 0;
    let since = performance.now();
    for (const { sequence } of plan) {
      if (sequence.remaining > 0) continue;
      this.#advance(sequence, logits.subarray(row * width, ++row * width));
      if (performance.now() - since < SAMPLING_MS) continue;
      await nextTurn();
      since = performance.now();
    }
  }

  async #readLogits(buffer: DeviceBuffer): Promise<Float32Array> {
    const length = buffer.shape.reduce((product, size) => product * size, 1);
    if (this.#logits.length < length) this.#logits = new Float32Array(length);
    return (await buffer.read(this.#logits)) as Float32Array;
  }

  async #takeStates(plan: readonly PlannedRows[], outputs: Outputs): Promise<void> {
    if (!plan.some(({ sequence }) => this.#answers.get(sequence)?.takeStates)) return;
    const states = (await outputs.finalNorm!.read()) as Float32Array;
    const width = states.length / plan.reduce((rows, { count }) => rows + count, 0);
    let row = 0;
    for (const { sequence, start, count } of plan) {
      const own = states.subarray(row * width, (row + count) * width);
      this.#answers.get(sequence)?.takeStates?.(own, start);
      row += count;
    }
  }

  #advance(sequence: Sequence, logits: Float32Array): void {
    const answer = this.#answers.get(sequence);
    if (!answer || this.#cancelled.has(answer)) return;
    try {
      this.#stored?.keep(sequence);
      if (!answer.advance(logits)) this.#remove(answer);
    } catch (error) {
      this.#fail(sequence, error);
    }
  }

  #fail(sequence: Sequence, error: unknown): void {
    const answer = this.#answers.get(sequence);
    if (!answer) return;
    answer.events.fail(error);
    this.#remove(answer);
  }

  #remove(answer: Task): void {
    if (this.#answers.delete(answer.sequence)) this.#scheduler.remove(answer.sequence);
  }
}
