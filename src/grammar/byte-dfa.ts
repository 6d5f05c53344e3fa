import type { Budget } from "./budget.ts";

/** A deterministic automaton over bytes; every state can reach a final one. State 0 is the start. */
export interface ByteDfa {
  /** By state: lo, hi, target triples of ascending, disjoint byte ranges. */
  readonly edges: readonly (readonly number[])[];
  readonly final: readonly boolean[];
}

/** What `exploreDfa` needs to know of states of any kind. */
export interface StateSpace<S> {
  readonly start: S;
  /** The same for equal states. */
  key(state: S): unknown;
  /** Calls `edge` for ascending, disjoint byte ranges and where they lead. */
  edges(state: S, edge: (lo: number, hi: number, to: S) => void): void;
  isFinal(state: S): boolean;
}

/** In steps of the budget: a state takes memory, too. */
const STATE_COST = 5;

/**
 * The automaton of all states that can be reached; null when no text is accepted.
 * @throws GrammarError beyond the budget
 */
export function exploreDfa<S>(space: StateSpace<S>, budget: Budget): ByteDfa | null {
  const ids = new Map<unknown, number>();
  const states: S[] = [];
  const idOf = (state: S): number => {
    const key = space.key(state);
    let id = ids.get(key);
    if (id === undefined) {
      id = states.push(state) - 1;
      ids.set(key, id);
    }
    return id;
  };
  idOf(space.start);
  const edges: number[][] = [];
  const final: boolean[] = [];
  let out: number[] = [];
  const edge = (lo: number, hi: number, to: S): void => {
    budget.spend(1);
    const target = idOf(to);
    const last = out.length - 1;
    if (last > 0 && out[last] === target && out[last - 1] === lo - 1) out[last - 1] = hi;
    else out.push(lo, hi, target);
  };
  for (let id = 0; id < states.length; id++) {
    budget.spend(STATE_COST);
    out = [];
    space.edges(states[id]!, edge);
    edges.push(out);
    final.push(space.isFinal(states[id]!));
  }
  return trim(edges, final, budget);
}

/** Leaves out states from which no final one can be reached. */
function trim(edges: number[][], final: boolean[], budget: Budget): ByteDfa | null {
  const sources: number[][] = edges.map(() => []);
  for (const [from, out] of edges.entries()) for (let e = 2; e < out.length; e += 3) sources[out[e]!]!.push(from);
  const alive = [...final];
  const work = final.flatMap((is, state) => (is ? [state] : []));
  for (let state = work.pop(); state !== undefined; state = work.pop()) {
    budget.spend(1);
    for (const from of sources[state]!) {
      if (alive[from]) continue;
      alive[from] = true;
      work.push(from);
    }
  }
  if (!alive[0]) return null;
  const renamed = new Int32Array(edges.length).fill(-1);
  let count = 0;
  for (const [state, is] of alive.entries()) if (is) renamed[state] = count++;
  const kept = edges.filter((_, state) => alive[state]);
  return {
    edges: kept.map((out) => {
      const live: number[] = [];
      for (let e = 0; e < out.length; e += 3) {
        const to = renamed[out[e + 2]!]!;
        if (to >= 0) live.push(out[e]!, out[e + 1]!, to);
      }
      return live;
    }),
    final: final.filter((_, state) => alive[state]),
  };
}

/** Texts that both accept; null when there are none. @throws GrammarError beyond the budget */
export function intersectDfas(a: ByteDfa, b: ByteDfa, budget: Budget): ByteDfa | null {
  return combine(a, b, budget, false);
}

/** Texts that `a` accepts and `b` does not; null when there are none. @throws GrammarError beyond the budget */
export function subtractDfa(a: ByteDfa, b: ByteDfa, budget: Budget): ByteDfa | null {
  return combine(a, b, budget, true);
}

function combine(a: ByteDfa, b: ByteDfa, budget: Budget, subtract: boolean): ByteDfa | null {
  // A state of `a` and one of `b`, or `outside` of what b reads.
  const outside = b.edges.length;
  const pair = (s: number, t: number) => s * (outside + 1) + t;
  const first = (state: number) => Math.floor(state / (outside + 1));
  const second = (state: number) => state % (outside + 1);
  return exploreDfa<number>(
    {
      start: pair(0, 0),
      key: (state) => state,
      edges(state, edge) {
        const left = a.edges[first(state)]!;
        const right = b.edges[second(state)] ?? [];
        for (let e = 0, f = 0; e < left.length; e += 3) {
          const to = left[e + 2]!;
          let lo = left[e]!;
          const hi = left[e + 1]!;
          while (f < right.length && right[f + 1]! < lo) f += 3;
          for (let g = f; g < right.length && right[g]! <= hi && lo <= hi; g += 3) {
            if (subtract && right[g]! > lo) edge(lo, right[g]! - 1, pair(to, outside));
            lo = Math.max(lo, right[g]!);
            const end = Math.min(hi, right[g + 1]!);
            edge(lo, end, pair(to, right[g + 2]!));
            lo = end + 1;
          }
          if (subtract && lo <= hi) edge(lo, hi, pair(to, outside));
        }
      },
      isFinal: (state) => a.final[first(state)]! && (b.final[second(state)] ?? false) !== subtract,
    },
    budget,
  );
}

export function dfaAccepts(dfa: ByteDfa, bytes: Uint8Array): boolean {
  let state = 0;
  for (const byte of bytes) {
    const out = dfa.edges[state]!;
    let to = -1;
    for (let e = 0; e < out.length && to < 0; e += 3) if (out[e]! <= byte && byte <= out[e + 1]!) to = out[e + 2]!;
    if (to < 0) return false;
    state = to;
  }
  return dfa.final[state]!;
}
