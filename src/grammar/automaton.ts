import type { Budget } from "./budget.ts";
import type { Expr, Grammar } from "./expr.ts";
import { GrammarError, locate } from "./grammar-error.ts";
import { FIRST_TOKEN_SYMBOL } from "./nfa.ts";
import { type RuleNodes, RuleSet } from "./rule-set.ts";

/** Ways to begin a text through calls alone, without reading anything; more are refused as too ambiguous. */
const MAX_OPENINGS = 1000;
/** Rules that call one another in a chain before anything is read. */
const MAX_CALL_DEPTH = 200;
/** Entries of the transition table, 4 bytes each. */
const MAX_TABLE = 4 << 20;

export const NOWHERE = -1;

/** A repetition that is counted rather than unrolled. */
export interface Counter {
  /** The state in which each item begins; entering it ends one. */
  readonly loop: number;
  /** What `loop` leaves by after `min` to `max` items. */
  readonly closeClass: number;
  readonly min: number;
  readonly max: number;
}

/**
 * A grammar as a pushdown automaton: one deterministic automaton for each rule, with calls of other rules. From every
 * state a text can be completed.
 */
export interface Automaton {
  readonly start: number;
  readonly states: number;
  /** Class of each byte, then of each of `tokens`. */
  readonly classOf: Uint16Array;
  readonly classes: number;
  /** [states, classes]: the next state, or NOWHERE. */
  readonly table: Int32Array;
  /** 1 where the state's rule may end. */
  readonly final: Uint8Array;
  /** 1 where the state reads anything. */
  readonly reads: Uint8Array;
  /** By state: start state of a rule, state after it; pairs. */
  readonly calls: readonly Int32Array[];
  /** By state: null outside counted repetitions. */
  readonly counters: readonly (Counter | null)[];
  /** Ids of tokens that the grammar names. */
  readonly tokens: readonly number[];
}

/** @throws GrammarError when no text matches, rules call themselves at their start, or beyond the limits */
export function buildAutomaton(grammar: Grammar, budget: Budget): Automaton {
  let rules = new RuleSet(grammar, budget);
  let states = determinize(rules, budget);
  const ambiguous = ambiguousCounts(states, rules, budget);
  if (ambiguous.size > 0) {
    rules = new RuleSet(grammar, budget, ambiguous);
    states = determinize(rules, budget);
  }
  const classes = symbolClasses(rules);
  if (states.final.length * classes.count > MAX_TABLE) {
    throw new GrammarError("", `needs ${states.final.length} states, which is too large`);
  }
  checkOpenings(states, rules, budget);
  removeDeadEnds(states, budget);
  return layOut(states, classes, rules);
}

interface States {
  /** By state: lo, hi, target triples. */
  readonly moves: number[][];
  /** By state: rule, target pairs. */
  readonly calls: number[][];
  readonly final: boolean[];
  readonly ruleOf: number[];
  /** By rule. */
  readonly starts: number[];
}

function determinize({ nfa, rules }: RuleSet, budget: Budget): States {
  const states: States = { moves: [], calls: [], final: [], ruleOf: [], starts: [] };
  const determinizeRule = (rule: number, { start, end }: RuleNodes): void => {
    const ids = new Map<number, number>();
    const sets: number[] = [];
    const first = states.final.length;
    const idOf = (set: number): number => {
      let id = ids.get(set);
      if (id === undefined) {
        id = first + sets.push(set) - 1;
        ids.set(set, id);
        states.ruleOf.push(rule);
        states.final.push(nfa.has(set, end));
      }
      return id;
    };
    states.starts.push(idOf(nfa.closed([start])));
    for (const set of sets) {
      const moves = nfa.moves(set);
      for (let m = 2; m < moves.length; m += 3) moves[m] = idOf(moves[m]!);
      states.moves.push(moves);
      states.calls.push(nfa.calls(set).flatMap(([callee, to]) => [callee, idOf(to)]));
      budget.spend(moves.length + 1);
    }
  };
  for (const [rule, nodes] of rules.entries()) locate(nodes.name, () => determinizeRule(rule, nodes));
  return states;
}

/**
 * Items of counted repetitions that may begin again while they still run: every count would be a meaning of its own. They
 * are unrolled instead, so that equal counts become one state.
 */
function ambiguousCounts({ moves, calls, final }: States, { rules }: RuleSet, budget: Budget): Set<Expr> {
  const found = new Set<Expr>();
  for (const [state, called] of calls.entries()) {
    const counter = couples(called)
      .map(([rule]) => rules[rule]!.counter)
      .find((c) => c !== null);
    const alone = called.length === 2 && moves[state]!.length === 0 && !final[state];
    if (!counter || alone) continue;
    const next = (from: number) => [
      ...triples(moves[from]!).map(([, , to]) => to),
      ...couples(calls[from]!).map(([, to]) => to),
    ];
    const seen = new Set(next(state));
    for (const at of seen) {
      budget.spend(1 + moves[at]!.length);
      for (const to of next(at)) seen.add(to);
    }
    if (seen.has(state)) found.add(counter.item);
  }
  return found;
}

/** Removes moves and calls from which no text can be completed. @throws GrammarError when that is all */
function removeDeadEnds({ moves, calls, final, ruleOf, starts }: States, budget: Budget): void {
  const alive = new Uint8Array(moves.length);
  const sources: number[][] = moves.map(() => []);
  const callers: number[][] = starts.map(() => []);
  for (const state of moves.keys()) {
    for (let m = 2; m < moves[state]!.length; m += 3) sources[moves[state]![m]!]!.push(state);
    for (let c = 0; c < calls[state]!.length; c += 2) {
      callers[calls[state]![c]!]!.push(state);
      sources[calls[state]![c + 1]!]!.push(state);
    }
  }
  const productive = (rule: number) => alive[starts[rule]!] === 1;
  const isAlive = (state: number): boolean => {
    if (final[state]) return true;
    const [out, called] = [moves[state]!, calls[state]!];
    for (let m = 2; m < out.length; m += 3) if (alive[out[m]!]) return true;
    for (let c = 0; c < called.length; c += 2) if (productive(called[c]!) && alive[called[c + 1]!]) return true;
    return false;
  };
  const work = [...moves.keys()];
  for (let state = work.pop(); state !== undefined; state = work.pop()) {
    budget.spend(1);
    if (alive[state] || !isAlive(state)) continue;
    alive[state] = 1;
    work.push(...sources[state]!);
    if (starts[ruleOf[state]!] === state) work.push(...callers[ruleOf[state]!]!);
  }
  if (!alive[starts[0]!]) throw new GrammarError("", "no text can match");
  for (const state of moves.keys()) {
    moves[state] = triples(moves[state]!).flatMap(([lo, hi, to]) => (alive[to] ? [lo, hi, to] : []));
    calls[state] = couples(calls[state]!).flatMap(([rule, to]) => (productive(rule) && alive[to] ? [rule, to] : []));
  }
}

/**
 * A rule that begins with itself would never end to be called; one whose beginnings multiply would take for ever to be
 * called in all ways.
 */
function checkOpenings({ calls, final, starts }: States, { rules }: RuleSet, budget: Budget): void {
  const nullable = new Set<number>();
  /** States of a rule that are reached without reading. */
  const openings = (rule: number): Set<number> => {
    const seen = new Set([starts[rule]!]);
    for (const state of seen) {
      budget.spend(1 + calls[state]!.length);
      for (const [callee, to] of couples(calls[state]!)) if (nullable.has(callee)) seen.add(to);
    }
    return seen;
  };
  for (let before = -1; before !== nullable.size; ) {
    before = nullable.size;
    for (const rule of rules.keys()) if ([...openings(rule)].some((state) => final[state])) nullable.add(rule);
  }
  const counts = new Map<number, number>();
  const count = (rule: number, within: readonly number[]): number => {
    const known = counts.get(rule);
    if (known !== undefined) return known;
    if (within.includes(rule)) {
      throw new GrammarError(rules[rule]!.name, "begins with itself (left recursion); let it end with itself");
    }
    if (within.length > MAX_CALL_DEPTH) throw new GrammarError("", "rules call one another too deeply");
    let total = 1;
    for (const state of openings(rule)) {
      for (const [callee] of couples(calls[state]!)) total += count(callee, [...within, rule]);
    }
    if (total > MAX_OPENINGS) throw new GrammarError(rules[rule]!.name, "is too ambiguous at its start");
    counts.set(rule, total);
    return total;
  };
  for (const rule of rules.keys()) count(rule, []);
}

interface Classes {
  readonly classOf: Uint16Array;
  readonly count: number;
}

/** Symbols that no edge tells apart share a class. */
function symbolClasses({ nfa, tokens }: RuleSet): Classes {
  const symbols = FIRST_TOKEN_SYMBOL + tokens.length;
  const cut = nfa.cuts(symbols);
  const classOf = new Uint16Array(symbols);
  let current = 0;
  for (let symbol = 1; symbol < symbols; symbol++) classOf[symbol] = cut[symbol] ? ++current : current;
  return { classOf, count: current + 1 };
}

function layOut(
  { moves, calls, final, ruleOf, starts }: States,
  { classOf, count }: Classes,
  { rules, tokens }: RuleSet,
): Automaton {
  const table = new Int32Array(moves.length * count).fill(NOWHERE);
  for (const [state, out] of moves.entries()) {
    for (const [lo, hi, to] of triples(out)) {
      table.fill(to, state * count + classOf[lo]!, state * count + classOf[hi]! + 1);
    }
  }
  const counterOf = rules.map(({ counter }, rule): Counter | null => {
    if (counter === null) return null;
    const loop = starts[rule]!;
    const end = triples(moves[loop]!).find(([, , to]) => final[to]);
    return { loop, closeClass: classOf[end![0]]!, ...counter };
  });
  return {
    start: starts[0]!,
    states: moves.length,
    classOf,
    classes: count,
    table,
    final: Uint8Array.from(final, Number),
    reads: Uint8Array.from(moves, (out) => Number(out.length > 0)),
    calls: calls.map((list) => Int32Array.from(couples(list).flatMap(([rule, to]) => [starts[rule]!, to]))),
    counters: ruleOf.map((rule, state) => (final[state] ? null : counterOf[rule]!)),
    tokens,
  };
}

function triples(flat: readonly number[]): [number, number, number][] {
  const list: [number, number, number][] = [];
  for (let i = 0; i < flat.length; i += 3) list.push([flat[i]!, flat[i + 1]!, flat[i + 2]!]);
  return list;
}

function couples(flat: readonly number[]): [number, number][] {
  const list: [number, number][] = [];
  for (let i = 0; i < flat.length; i += 2) list.push([flat[i]!, flat[i + 1]!]);
  return list;
}
