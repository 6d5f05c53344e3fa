import type { Budget } from "./budget.ts";

/** Nodes of an Nfa, ascending. */
export type NodeSet = readonly number[];

/** From here on symbols are not bytes but tokens of `RuleSet.tokens`. */
export const FIRST_TOKEN_SYMBOL = 256;

interface Node {
  /** lo, hi, target triples. */
  edges: readonly number[];
  /** Targets reached without a symbol. */
  empty: readonly number[];
  /** Targets reached without a symbol at the start or end of the text only. */
  atStart: readonly number[];
  atEnd: readonly number[];
  /** rule, target pairs: the target is reached after a text of the rule. */
  calls: readonly number[];
}

/** A range of symbols, and the nodes it leads to. */
export interface Move {
  readonly lo: number;
  readonly hi: number;
  readonly targets: readonly number[];
}

const NONE: readonly number[] = [];
/** In steps of the budget: a node takes memory, too. */
const NODE_COST = 3;

/** A nondeterministic automaton over bytes and tokens, with calls of rules. */
export class Nfa {
  readonly nodes: Node[] = [];
  readonly #budget: Budget;
  readonly #closed = new Map<string | number, NodeSet>();
  /** By node: the last visit of `closure` that came by. */
  readonly #visited: number[] = [];
  #visit = 0;
  /** By symbol: which of the cuts that `moves` has just made it is. */
  readonly #cutAt: number[] = [];

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  node(): number {
    this.#budget.spend(NODE_COST);
    this.#visited.push(0);
    return this.nodes.push({ edges: NONE, empty: NONE, atStart: NONE, atEnd: NONE, calls: NONE }) - 1;
  }

  edge(from: number, lo: number, hi: number, to: number): void {
    this.#budget.spend(1);
    this.#add(from, "edges", lo, hi, to);
  }

  empty(from: number, to: number): void {
    this.#budget.spend(1);
    this.#add(from, "empty", to);
  }

  anchor(from: number, at: "start" | "end", to: number): void {
    this.#add(from, at === "start" ? "atStart" : "atEnd", to);
  }

  call(from: number, rule: number, to: number): void {
    this.#add(from, "calls", rule, to);
  }

  /** Most nodes have few kinds of edges: lists are made when they are needed. */
  #add(from: number, kind: keyof Node, ...values: number[]): void {
    const node = this.nodes[from]!;
    if (node[kind] === NONE) node[kind] = values;
    else (node[kind] as number[]).push(...values);
  }

  /**
   * All nodes that are reached from these without a symbol, in the middle of the text. Equal sets are one and the same, so
   * they can be keys as they are.
   */
  closed(nodes: readonly number[]): NodeSet {
    const key = keyOf(nodes);
    this.#budget.spend(nodes.length);
    const known = this.#closed.get(key);
    if (known !== undefined) return known;
    const all = this.closure(nodes);
    this.#budget.spend(2 * all.length);
    const set = this.#closed.get(keyOf(all)) ?? all;
    this.#closed.set(keyOf(all), set);
    this.#closed.set(key, set);
    return set;
  }

  closure(nodes: readonly number[], at: { start?: boolean; end?: boolean } = {}): NodeSet {
    this.#visit++;
    const set: number[] = [];
    this.#visitAll(nodes, set);
    for (let i = 0; i < set.length; i++) {
      const node = this.nodes[set[i]!]!;
      this.#budget.spend(1 + node.empty.length);
      this.#visitAll(node.empty, set);
      if (at.start) this.#visitAll(node.atStart, set);
      if (at.end) this.#visitAll(node.atEnd, set);
    }
    this.#budget.spend(3 * set.length);
    return set.sort((a, b) => a - b);
  }

  #visitAll(nodes: readonly number[], set: number[]): void {
    for (const node of nodes) {
      if (this.#visited[node] === this.#visit) continue;
      this.#visited[node] = this.#visit;
      set.push(node);
    }
  }

  /** Ascending, disjoint ranges of symbols with the nodes they lead to, not closed; ranges that lead nowhere are left out. */
  moves(set: NodeSet): Move[] {
    const edges: number[] = [];
    for (const id of set) for (const value of this.nodes[id]!.edges) edges.push(value);
    if (edges.length === 3) return [{ lo: edges[0]!, hi: edges[1]!, targets: [edges[2]!] }];
    const cuts = cutsOf(edges);
    this.#budget.spend(edges.length / 3 + cuts.length);
    const targets: number[][] = cuts.map(() => []);
    const at = this.#cutAt;
    for (let i = 0; i < cuts.length; i++) at[cuts[i]!] = i;
    for (let e = 0; e < edges.length; e += 3) {
      const end = at[edges[e + 1]! + 1]!;
      for (let i = at[edges[e]!]!; i < end; i++) {
        this.#budget.spend(1);
        targets[i]!.push(edges[e + 2]!);
      }
    }
    const moves: Move[] = [];
    for (let i = 0; i + 1 < cuts.length; i++) {
      if (targets[i]!.length > 0) moves.push({ lo: cuts[i]!, hi: cuts[i + 1]! - 1, targets: targets[i]! });
    }
    return moves;
  }
}

/** Where any of the lo, hi, target triples begins, and behind where it ends; ascending. */
function cutsOf(edges: readonly number[]): number[] {
  const all: number[] = [];
  for (let e = 0; e < edges.length; e += 3) all.push(edges[e]!, edges[e + 1]! + 1);
  all.sort((a, b) => a - b);
  return all.filter((cut, i) => cut !== all[i - 1]);
}

function keyOf(nodes: readonly number[]): string | number {
  return nodes.length === 1 ? nodes[0]! : nodes.join();
}
