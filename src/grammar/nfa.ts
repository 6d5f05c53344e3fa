import type { Budget } from "./budget.ts";
import { IntList } from "./int-list.ts";
import { NodeSets } from "./node-sets.ts";

/** From here on symbols are not bytes but tokens of `RuleSet.tokens`. */
export const FIRST_TOKEN_SYMBOL = 256;

/** In steps of the budget: a node takes memory, too. */
const NODE_COST = 3;

const NONE = -1;

/** For each node a list of records, the last first. */
class Records {
  /** By node: where its first record is in `data`. */
  readonly first = new IntList();
  readonly #list = new IntList();

  add(node: number, ...values: number[]): void {
    const at = this.#list.push(this.first.data[node]!);
    for (const value of values) this.#list.push(value);
    this.first.data[node] = at;
  }

  /** A record is where the node's next one is, or NONE, and then its values. */
  get data(): Int32Array {
    return this.#list.data;
  }
}

/**
 * A nondeterministic automaton over bytes and tokens, with calls of rules. Sets of nodes are numbers: equal sets are equal
 * numbers.
 */
export class Nfa {
  readonly #budget: Budget;
  /** lo, hi, target */
  readonly #edges = new Records();
  /** Targets that are reached without a symbol. */
  readonly #empty = new Records();
  /** Targets reached without a symbol at the start or end of the text only. */
  readonly #anchors = { start: new Records(), end: new Records() };
  #anchored = false;
  /** rule, target: the target is reached after a text of the rule. */
  readonly #calls = new Records();
  readonly #sets = new NodeSets();
  /** By list of nodes: the set of all nodes that are reached from them, or NONE: not known yet. */
  readonly #closed = new IntList();
  /** By node: the last visit that came by. */
  readonly #visited = new IntList();
  #visit = 0;
  /** By symbol: NONE where a cut is, then which of the cuts it is. Of use within `moves` alone. */
  readonly #cutAt: number[] = [];
  /** By range between cuts: where it leads. Kept, so that `moves` need not make them each time. */
  readonly #targets: number[][] = [];

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  node(): number {
    this.#budget.spend(NODE_COST);
    for (const records of [this.#edges, this.#empty, this.#anchors.start, this.#anchors.end, this.#calls]) {
      records.first.push(NONE);
    }
    return this.#visited.push(0);
  }

  edge(from: number, lo: number, hi: number, to: number): void {
    this.#budget.spend(1);
    this.#edges.add(from, lo, hi, to);
  }

  empty(from: number, to: number): void {
    this.#budget.spend(1);
    this.#empty.add(from, to);
  }

  anchor(from: number, at: "start" | "end", to: number): void {
    this.#anchored = true;
    this.#anchors[at].add(from, to);
  }

  call(from: number, rule: number, to: number): void {
    this.#calls.add(from, rule, to);
  }

  /** All nodes that are reached from these without a symbol, in the middle of the text. */
  closed(nodes: readonly number[]): number {
    this.#budget.spend(nodes.length);
    const list = this.#sets.idOf(nodes);
    while (this.#closed.length <= list) this.#closed.push(NONE);
    let set = this.#closed.data[list]!;
    if (set === NONE) {
      const all = this.#closure(nodes);
      this.#budget.spend(2 * all.length);
      set = this.#sets.idOf(all);
      this.#closed.data[list] = set;
    }
    return set;
  }

  /** The same at the start of the text. */
  closedAtStart(node: number): number {
    return this.#sets.idOf(this.#closure([node], { start: true }));
  }

  /** Whether `node` is reached from a closed set without a symbol at the end of the text. */
  reachesAtEnd(set: number, node: number, { start = false } = {}): boolean {
    if (!this.#anchored) return this.has(set, node);
    return this.#closure(this.#nodesOf(set), { start, end: true }).includes(node);
  }

  has(set: number, node: number): boolean {
    return this.#sets.has(set, node);
  }

  #nodesOf(set: number): number[] {
    return Array.from(this.#sets.members.subarray(this.#sets.start(set), this.#sets.end(set)));
  }

  #closure(nodes: readonly number[], { start = false, end = false } = {}): number[] {
    this.#visit++;
    const all: number[] = [];
    const visit = (node: number) => {
      if (this.#visited.data[node] === this.#visit) return;
      this.#visited.data[node] = this.#visit;
      all.push(node);
    };
    const follow = ({ first, data }: Records, node: number) => {
      let steps = 0;
      for (let at = first.data[node]!; at !== NONE; at = data[at]!, steps++) visit(data[at + 1]!);
      this.#budget.spend(steps);
    };
    for (let i = 0; i < nodes.length; i++) visit(nodes[i]!);
    for (let i = 0; i < all.length; i++) {
      this.#budget.spend(4);
      follow(this.#empty, all[i]!);
      if (start) follow(this.#anchors.start, all[i]!);
      if (end) follow(this.#anchors.end, all[i]!);
    }
    return all.length === 1 ? all : all.sort((a, b) => a - b);
  }

  /** lo, hi, target triples of ascending, disjoint ranges of symbols and the closed sets they lead to. */
  moves(set: number): number[] {
    const edges = this.#edgesOf(set);
    if (edges.length === 3) return [edges[0]!, edges[1]!, this.closed([edges[2]!])];
    const cuts = this.#cutsOf(edges);
    this.#budget.spend(edges.length / 3 + cuts.length);
    for (let i = 0; i < cuts.length; i++) {
      this.#cutAt[cuts[i]!] = i;
      if (i === this.#targets.length) this.#targets.push([]);
      else if (this.#targets[i]!.length > 0) this.#targets[i]!.length = 0;
    }
    for (let e = 0; e < edges.length; e += 3) {
      const end = this.#cutAt[edges[e + 1]! + 1]!;
      for (let i = this.#cutAt[edges[e]!]!; i < end; i++) {
        this.#budget.spend(1);
        this.#targets[i]!.push(edges[e + 2]!);
      }
    }
    const moves: number[] = [];
    for (let i = 0; i + 1 < cuts.length; i++) {
      const targets = this.#targets[i]!;
      if (targets.length > 0) moves.push(cuts[i]!, cuts[i + 1]! - 1, this.closed(targets));
    }
    return moves;
  }

  /** Where any of the lo, hi, target triples begins, and behind where it ends; ascending. */
  #cutsOf(edges: readonly number[]): number[] {
    const cuts: number[] = [];
    let [first, last] = [edges[0] ?? 0, 0];
    for (let e = 0; e < edges.length; e += 3) {
      const [lo, end] = [edges[e]!, edges[e + 1]! + 1];
      this.#cutAt[lo] = NONE;
      this.#cutAt[end] = NONE;
      if (lo < first) first = lo;
      if (end > last) last = end;
    }
    for (let symbol = first; symbol <= last; symbol++) if (this.#cutAt[symbol] === NONE) cuts.push(symbol);
    return cuts;
  }

  #edgesOf(set: number): number[] {
    const { members } = this.#sets;
    const { first, data } = this.#edges;
    const edges: number[] = [];
    for (let m = this.#sets.start(set); m < this.#sets.end(set); m++) {
      for (let at = first.data[members[m]!]!; at !== NONE; at = data[at]!) {
        edges.push(data[at + 1]!, data[at + 2]!, data[at + 3]!);
      }
    }
    return edges;
  }

  /** The rules that a set calls, and the closed sets that are reached after them. */
  calls(set: number): [rule: number, to: number][] {
    const { members } = this.#sets;
    const { first, data } = this.#calls;
    let returns: Map<number, number[]> | null = null;
    for (let m = this.#sets.start(set); m < this.#sets.end(set); m++) {
      for (let at = first.data[members[m]!]!; at !== NONE; at = data[at]!) {
        returns ??= new Map();
        const targets = returns.get(data[at + 1]!);
        if (targets) targets.push(data[at + 2]!);
        else returns.set(data[at + 1]!, [data[at + 2]!]);
      }
    }
    if (returns === null) return [];
    return Array.from(returns, ([rule, targets]) => [rule, this.closed(targets)]);
  }

  /** By symbol, of `symbols`: 1 where some edge tells it from the one before. */
  cuts(symbols: number): Uint8Array {
    const cut = new Uint8Array(symbols + 1);
    const { first, data } = this.#edges;
    for (let node = 0; node < first.length; node++) {
      for (let at = first.data[node]!; at !== NONE; at = data[at]!) {
        cut[data[at + 1]!] = 1;
        cut[data[at + 2]! + 1] = 1;
      }
    }
    return cut;
  }
}
