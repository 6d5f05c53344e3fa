import { ApiError, CacheFullError } from "../errors.ts";
import type { BlockPool } from "./block-pool.ts";
import type { Sequence } from "./sequence.ts";

export interface StepBudget {
  /** Rows a step; more than maxSeqs. */
  readonly maxRows: number;
  /** Sequences a step, which are all that run at a time. */
  readonly maxSeqs: number;
  /** Rows of prompts in a step that also has to serve running streams: the fewer, the shorter their pause. Default a quarter of maxRows. */
  readonly promptRowsBeside?: number;
  /** Sequences that may wait when all places are taken. */
  readonly maxWaiting: number;
}

/** Consecutive tokens of one sequence. */
export interface PlannedRows {
  readonly sequence: Sequence;
  readonly start: number;
  readonly count: number;
}

/**
 * Decides which tokens the next step computes. Bookkeeping alone: no clock, no backend, no waiting.
 *
 * One rule covers prompts, their chunks, hits in the cache and generation: raise numComputed towards tokens.length.
 * Sequences rank by priority, then by arrival. Who waits for its next token alone comes first with its one row, prompts
 * share the rest; where pages run out, the last in rank gives up its own and is computed again later.
 *
 * After `schedule`: the rows are at most maxRows, of at most maxSeqs sequences; every row owns its page; the first in rank
 * has a row; no one that waits ranks above one that runs. A sequence that is being restored counts for nothing of this.
 */
export class Scheduler {
  readonly #pool: BlockPool;
  readonly #budget: Required<StepBudget>;
  /** Both in order of rank. */
  readonly #running: Sequence[] = [];
  readonly #waiting: Sequence[] = [];
  #arrivals = 0;
  #preemptions = 0;

  constructor(pool: BlockPool, budget: StepBudget) {
    this.#pool = pool;
    this.#budget = { promptRowsBeside: Math.ceil(budget.maxRows / 4), ...budget };
  }

  get running(): readonly Sequence[] {
    return this.#running;
  }

  get waiting(): readonly Sequence[] {
    return this.#waiting;
  }

  /** How often a sequence had to give up its pages. */
  get preemptions(): number {
    return this.#preemptions;
  }

  /**
   * @throws CacheFullError when the sequence could not fit in the whole pool
   * @throws ApiError 503 queue_full
   */
  add(sequence: Sequence): void {
    const { maxSeqs, maxWaiting } = this.#budget;
    const pages = this.#pool.pagesFor(sequence.maxLength);
    if (pages > this.#pool.size)
      throw new CacheFullError(`${pages} cache pages wanted, but there are only ${this.#pool.size}`);
    const ahead = this.#waiting.length;
    if (ahead >= maxWaiting + maxSeqs - this.#running.length) {
      throw new ApiError(503, `${ahead} requests are waiting already; try again later`, { code: "queue_full" });
    }
    sequence.arrival = this.#arrivals++;
    insert(this.#waiting, sequence);
  }

  /** What there was of its beginning is in the cache: it is let in as if it came now, when it has not ended meanwhile. */
  restored(sequence: Sequence): void {
    sequence.restoring = false;
    const at = this.#waiting.indexOf(sequence);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    sequence.arrival = this.#arrivals++;
    insert(this.#waiting, sequence);
  }

  /** The sequence has ended, or nobody wants it any more. No step that computes it may be under way. */
  remove(sequence: Sequence): void {
    for (const list of [this.#running, this.#waiting]) {
      const at = list.indexOf(sequence);
      if (at >= 0) list.splice(at, 1);
    }
    this.#pool.release(sequence);
  }

  /** All that run start anew, as after a pre-emption: a step has failed, and what it left in their pages nobody knows. */
  restart(): void {
    while (this.#running.length > 0) this.#preempt(this.#running.at(-1)!);
  }

  /** Plans a step. Its rows count as computed from here on: whoever comes later in the same step may build on them. */
  schedule(): PlannedRows[] {
    this.#admit();
    const shares = new Map<Sequence, number>();
    let spare = this.#share(shares);
    const plan: PlannedRows[] = [];
    // The victims of a pre-emption stand behind the one that needs their pages, so none of them is in the plan yet.
    for (let i = 0; i < this.#running.length; i++) {
      const sequence = this.#running[i]!;
      const share = shares.get(sequence) ?? 0;
      this.#pool.takePrefix(sequence);
      const wanted = this.#follows(i) ? 0 : Math.min(sequence.remaining, share + spare);
      const count = this.#cut(sequence, wanted);
      spare += share - count;
      if (count === 0) continue;
      const start = sequence.numComputed;
      if (!this.#reserve(sequence, start + count)) continue;
      sequence.advance(start + count, false);
      const { pageSize } = this.#pool;
      if (Math.floor(start / pageSize) < Math.floor((start + count) / pageSize)) this.#pool.publish(sequence);
      plan.push({ sequence, start, count });
    }
    return plan;
  }

  /** @returns false when the pages are with those that rank above: then the sequence waits where it is */
  #reserve(sequence: Sequence, tokens: number): boolean {
    while (!this.#pool.reserve(sequence, tokens)) {
      const last = this.#running.at(-1)!;
      if (last === sequence) return false;
      this.#preempt(last);
    }
    return true;
  }

  /** Lets in who waits, in order of rank; lower priorities make room for higher ones. */
  #admit(): void {
    const ready = () => this.#waiting.find(({ restoring }) => !restoring);
    for (let next = ready(); next; next = ready()) {
      if (this.#fits(next)) {
        this.#waiting.splice(this.#waiting.indexOf(next), 1);
        insert(this.#running, next);
        continue;
      }
      const last = this.#running.at(-1)!;
      if (last.priority >= next.priority) return;
      this.#preempt(last);
    }
  }

  /** Whether its tokens find room beside what the running ones still need, and their next page. */
  #fits(sequence: Sequence): boolean {
    if (this.#running.length === 0) return true;
    if (this.#running.length >= this.#budget.maxSeqs) return false;
    let needed = this.#pool.missing(sequence);
    for (const { tokens, pages, maxLength } of this.#running) {
      const soon = Math.min(this.#pool.pagesFor(tokens.length) + 1, this.#pool.pagesFor(maxLength));
      needed += soon - pages.length;
    }
    return needed <= this.#pool.available;
  }

  /**
   * How many rows each may have. Of several prompts the first in rank gets half and what the others leave, of which the
   * shortest comes first: a question need not wait until a book has been read, nor the book for all questions.
   * @returns rows that nobody got
   */
  #share(shares: Map<Sequence, number>): number {
    const { maxRows, promptRowsBeside } = this.#budget;
    const prompts = this.#running.filter(({ remaining }, i) => remaining > 1 && !this.#follows(i));
    for (const sequence of this.#running) shares.set(sequence, sequence.remaining > 1 ? 0 : 1);
    const decoding = this.#running.filter(({ remaining }) => remaining <= 1).length;
    let left = decoding > 0 ? Math.min(promptRowsBeside, maxRows - decoding) : maxRows;
    const give = (sequence: Sequence, most: number) => {
      const given = shares.get(sequence)!;
      const more = Math.min(sequence.remaining - given, most, left);
      shares.set(sequence, given + more);
      left -= more;
    };
    const [first, ...others] = prompts;
    if (!first) return left;
    give(first, Math.ceil(left / 2));
    for (const other of others.sort((a, b) => a.remaining - b.remaining)) give(other, left);
    give(first, left);
    return left;
  }

  /** Whether the next page of a prompt is being read already for one that ranks above: then it need only wait. */
  #follows(index: number): boolean {
    const sequence = this.#running[index]!;
    const { numComputed: start, promptLength, salt } = sequence;
    const end = start + this.#pool.pageSize;
    if (salt === null) return false;
    if (start % this.#pool.pageSize !== 0 || end > Math.min(promptLength, sequence.tokens.length - 1)) return false;
    for (let i = 0; i < index; i++) {
      const other = this.#running[i]!;
      const there = other.numComputed >= start && other.numComputed < end;
      if (there && other.salt === salt && other.promptLength >= end && sequence.beginsLike(other, end)) return true;
    }
    return false;
  }

  /** Rows that end at a page's end, where the prompt goes on: what starts there can take over pages of others. */
  #cut(sequence: Sequence, count: number): number {
    if (count === sequence.remaining) return count;
    const { pageSize } = this.#pool;
    const end = sequence.numComputed + count;
    const aligned = end - (end % pageSize);
    return aligned > sequence.numComputed ? aligned - sequence.numComputed : count;
  }

  #preempt(sequence: Sequence): void {
    this.#running.splice(this.#running.indexOf(sequence), 1);
    this.#pool.release(sequence);
    insert(this.#waiting, sequence);
    this.#preemptions++;
  }
}

function insert(list: Sequence[], sequence: Sequence): void {
  const at = list.findIndex((other) => before(sequence, other));
  list.splice(at < 0 ? list.length : at, 0, sequence);
}

/** Rank: the higher priority, then who came first. */
function before(a: Sequence, b: Sequence): boolean {
  return a.priority > b.priority || (a.priority === b.priority && a.arrival < b.arrival);
}
