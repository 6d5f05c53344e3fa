import type { Budget } from "./budget.ts";
import { type ByteDfa, exploreDfa } from "./byte-dfa.ts";
import type { Expr } from "./expr.ts";
import { Nfa } from "./nfa.ts";
import { NfaBuilder } from "./nfa-builder.ts";

/** The state in which nothing has been read; the others are sets of nodes. */
const START = -1;

/**
 * The deterministic automaton of an expression without rules and tokens; null when it matches nothing. Anchors hold at
 * the start and end of what the automaton reads.
 * @throws GrammarError beyond the budget
 */
export function toDfa(expr: Expr, budget: Budget): ByteDfa | null {
  const nfa = new Nfa(budget);
  const start = nfa.node();
  const end = new NfaBuilder(nfa, budget).add(expr, start);
  const first = nfa.closedAtStart(start);
  return exploreDfa<number>(
    {
      start: START,
      key: (set) => set,
      edges(set, edge) {
        const moves = nfa.moves(set === START ? first : set);
        for (let m = 0; m < moves.length; m += 3) edge(moves[m]!, moves[m + 1]!, moves[m + 2]!);
      },
      isFinal: (set) => (set === START ? nfa.reachesAtEnd(first, end, { start: true }) : nfa.reachesAtEnd(set, end)),
    },
    budget,
  );
}
