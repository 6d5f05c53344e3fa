import { type Automaton, NOWHERE } from "./automaton.ts";
import { GrammarError } from "./grammar-error.ts";

/** Where a rule that is called goes on afterwards. */
interface Frame {
  readonly id: number;
  readonly state: number;
  readonly below: Stack;
}

/**
 * All ways in which the rules below a state may go on, as one set of frames. `ends` means that the start rule may be
 * right below.
 */
export interface Stack {
  readonly id: number;
  readonly frames: readonly Frame[];
  readonly ends: boolean;
}

/** One state that reads, with the items counted so far (0 outside counted repetitions) and what is below it. */
export interface Top {
  readonly state: number;
  readonly count: number;
  readonly stack: Stack;
}

/** Everything that the text so far may mean. Equal ones are one object, until the caches are emptied. */
export interface Configuration {
  readonly tops: readonly Top[];
  readonly canEnd: boolean;
  /** By class: where it leads, null: nowhere, undefined: not known yet. */
  readonly next: (Configuration | null | undefined)[];
}

/** Stacks and configurations kept at once; beyond, all are forgotten and made anew as needed. */
const MAX_KEPT = 20_000;
/** Tops and frames of one configuration. A grammar in which more meanings stay open is refused in mid-text. */
const MAX_MEANINGS = 500;

/**
 * The stacks of a pushdown automaton as an automaton of its own, made as it is needed: every configuration remembers where
 * each class of bytes leads.
 */
export class StackAutomaton {
  readonly automaton: Automaton;
  readonly start: Configuration;
  readonly #configurations = new Map<string, Configuration>();
  readonly #stacks = new Map<string, Stack>();
  readonly #frames = new Map<string, Frame>();
  #ids = 0;

  constructor(automaton: Automaton) {
    this.automaton = automaton;
    const seeds = [{ state: automaton.start, count: 0, stack: this.#stack([], true) }];
    this.start = this.#close(seeds) ?? { tops: [], canEnd: false, next: [] };
  }

  /** Where a class leads. @throws GrammarError when too many meanings stay open */
  step(from: Configuration, symbol: number): Configuration | null {
    const known = from.next[symbol];
    if (known !== undefined) return known;
    const { table, classes } = this.automaton;
    const seeds: Top[] = [];
    for (const top of from.tops) {
      const to = table[top.state * classes + symbol]!;
      if (to === NOWHERE) continue;
      const count = this.#counted(top, symbol, to);
      if (count >= 0) seeds.push({ state: to, count, stack: top.stack });
    }
    const to = seeds.length === 0 ? null : this.#close(seeds);
    from.next[symbol] = to;
    return to;
  }

  /** Where the rule of a state may go on without the state itself reading: by its end, by its calls. */
  beyond(state: number, stack: Stack): Configuration | null {
    const seeds: Top[] = [];
    this.#leave({ state, count: 0, stack }, seeds);
    return seeds.length === 0 ? null : this.#close(seeds);
  }

  /** The items counted after a move, or -1 where the count forbids it. */
  #counted({ state, count }: Top, symbol: number, to: number): number {
    const counter = this.automaton.counters[state]!;
    if (counter === null) return 0;
    if (state !== counter.loop) return to === counter.loop ? count + 1 : count;
    if (symbol === counter.closeClass) return count >= counter.min && count <= counter.max ? 0 : -1;
    if (count >= counter.max) return -1;
    return to === counter.loop ? count + 1 : count;
  }

  #leave({ state, stack }: Top, seeds: Top[]): void {
    const { final, calls } = this.automaton;
    if (final[state])
      for (const frame of stack.frames) seeds.push({ state: frame.state, count: 0, stack: frame.below });
    const list = calls[state]!;
    for (let c = 0; c < list.length; c += 2) {
      seeds.push({ state: list[c]!, count: 0, stack: this.#push(list[c + 1]!, stack) });
    }
  }

  /** All tops that are reached from these without reading. */
  #close(seeds: readonly Top[]): Configuration | null {
    const { final, reads } = this.automaton;
    const work = [...seeds];
    const seen = new Set<string>();
    const tops = new Map<string, Top>();
    let canEnd = false;
    for (const item of work) {
      const { state, count, stack } = item;
      const key = `${state},${count},${stack.id}`;
      if (seen.has(key)) continue;
      seen.add(key);
      if (seen.size > MAX_MEANINGS) throw tooAmbiguous();
      if (final[state] && stack.ends) canEnd = true;
      this.#leave(item, work);
      if (!reads[state]) continue;
      const place = `${state},${count}`;
      const known = tops.get(place);
      tops.set(place, known ? { state, count, stack: this.#join(known.stack, stack) } : item);
    }
    if (tops.size === 0 && !canEnd) return null;
    return this.#configuration([...tops.values()], canEnd);
  }

  #configuration(tops: Top[], canEnd: boolean): Configuration {
    tops.sort((a, b) => a.state - b.state || a.count - b.count);
    const key = tops.map((t) => `${t.state},${t.count},${t.stack.id}`).join(";") + (canEnd ? "." : "");
    let known = this.#configurations.get(key);
    if (known === undefined) {
      if (this.#configurations.size + this.#stacks.size > MAX_KEPT) this.#forget();
      known = { tops, canEnd, next: [] };
      this.#configurations.set(key, known);
    }
    return known;
  }

  /** Those in use stay alive by themselves; equal ones made later are other objects, which costs time only. */
  #forget(): void {
    this.#configurations.clear();
    this.#stacks.clear();
    this.#frames.clear();
  }

  /** The stack below a called rule. A rule that has nothing left to do goes on below at once. */
  #push(state: number, stack: Stack): Stack {
    const { final, reads, calls } = this.automaton;
    if (final[state] && !reads[state] && calls[state]!.length === 0) return stack;
    const key = `${state},${stack.id}`;
    let frame = this.#frames.get(key);
    if (frame === undefined) {
      frame = { id: this.#ids++, state, below: stack };
      this.#frames.set(key, frame);
    }
    return this.#stack([frame], false);
  }

  #join(a: Stack, b: Stack): Stack {
    if (a === b) return a;
    const frames = new Map([...a.frames, ...b.frames].map((frame) => [frame.id, frame]));
    if (frames.size > MAX_MEANINGS) throw tooAmbiguous();
    const sorted = [...frames.values()].sort((x, y) => x.id - y.id);
    return this.#stack(sorted, a.ends || b.ends);
  }

  #stack(frames: readonly Frame[], ends: boolean): Stack {
    const key = frames.map((frame) => frame.id).join() + (ends ? "." : "");
    let stack = this.#stacks.get(key);
    if (stack === undefined) {
      stack = { id: this.#ids++, frames, ends };
      this.#stacks.set(key, stack);
    }
    return stack;
  }
}

function tooAmbiguous(): GrammarError {
  return new GrammarError("", "the grammar is too ambiguous: too many meanings of the text so far stay open");
}
