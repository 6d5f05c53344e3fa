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

const NONE: readonly number[] = [];
/** In steps of the budget: a node takes memory, too. */
const NODE_COST = 5;

/** A nondeterministic automaton over bytes and tokens, with calls of rules. */
export class Nfa {
  readonly nodes: Node[] = [];
  readonly #budget: Budget;
  readonly #closed = new Map<string, NodeSet>();

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  node(): number {
    this.#budget.spend(NODE_COST);
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

  /** All nodes that are reached from these without a symbol, in the middle of the text. */
  closed(nodes: readonly number[]): NodeSet {
    const key = nodes.join();
    let set = this.#closed.get(key);
    if (set === undefined) {
      set = this.closure(nodes);
      this.#closed.set(key, set);
    }
    this.#budget.spend(nodes.length + set.length);
    return set;
  }

  closure(nodes: readonly number[], at: { start?: boolean; end?: boolean } = {}): NodeSet {
    const seen = new Set(nodes);
    for (const id of seen) {
      const node = this.nodes[id]!;
      this.#budget.spend(1 + node.empty.length);
      for (const to of node.empty) seen.add(to);
      if (at.start) for (const to of node.atStart) seen.add(to);
      if (at.end) for (const to of node.atEnd) seen.add(to);
    }
    this.#budget.spend(3 * seen.size);
    return [...seen].sort((a, b) => a - b);
  }

  /** Ascending, disjoint ranges of symbols with the nodes they lead to, not closed; ranges that lead nowhere are left out. */
  moves(set: NodeSet): [lo: number, hi: number, targets: number[]][] {
    const edges: [lo: number, hi: number, to: number][] = [];
    for (const id of set) {
      const flat = this.nodes[id]!.edges;
      for (let e = 0; e < flat.length; e += 3) edges.push([flat[e]!, flat[e + 1]!, flat[e + 2]!]);
    }
    if (edges.length === 1) return [[edges[0]![0], edges[0]![1], [edges[0]![2]]]];
    const cuts = [...new Set(edges.flatMap(([lo, hi]) => [lo, hi + 1]))].sort((a, b) => a - b);
    this.#budget.spend(edges.length + cuts.length);
    const at = new Map(cuts.map((cut, i) => [cut, i]));
    const targets: number[][] = cuts.map(() => []);
    for (const [lo, hi, to] of edges) {
      const end = at.get(hi + 1)!;
      for (let i = at.get(lo)!; i < end; i++) {
        this.#budget.spend(1);
        targets[i]!.push(to);
      }
    }
    return cuts.flatMap((lo, i) => (targets[i]!.length > 0 ? [[lo, cuts[i + 1]! - 1, targets[i]!] as const] : [])) as [
      number,
      number,
      number[],
    ][];
  }
}
