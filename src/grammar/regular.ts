import type { Budget } from "./budget.ts";
import { type ByteDfa, exploreDfa } from "./byte-dfa.ts";
import type { Expr } from "./expr.ts";
import { Nfa, type NodeSet } from "./nfa.ts";
import { NfaBuilder } from "./nfa-builder.ts";

interface Subset {
  readonly nodes: NodeSet;
  /** Nothing has been read. */
  readonly first: boolean;
}

/**
 * The deterministic automaton of an expression without rules and tokens; null when it matches nothing. Anchors hold at
 * the start and end of what the automaton reads.
 * @throws GrammarError beyond the budget
 */
export function toDfa(expr: Expr, budget: Budget): ByteDfa | null {
  const nfa = new Nfa(budget);
  const start = nfa.node();
  const end = new NfaBuilder(nfa, budget).add(expr, start);
  return exploreDfa<Subset>(
    {
      start: { nodes: nfa.closure([start], { start: true }), first: true },
      key: ({ nodes, first }) => (first ? "start" : nodes),
      *edges({ nodes }) {
        for (const { lo, hi, targets } of nfa.moves(nodes)) {
          yield [lo, hi, { nodes: nfa.closed(targets), first: false }];
        }
      },
      isFinal: ({ nodes, first }) => nfa.closure(nodes, { start: first, end: true }).includes(end),
    },
    budget,
  );
}
