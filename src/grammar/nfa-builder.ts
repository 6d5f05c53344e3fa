import type { Budget } from "./budget.ts";
import { type ByteSequence, type CodePoints, utf8Sequences } from "./code-points.ts";
import type { Expr, Member } from "./expr.ts";
import { FIRST_TOKEN_SYMBOL, type Nfa } from "./nfa.ts";

/** How expressions that reach beyond one automaton become part of it. */
export interface Callbacks {
  /** What stands for a rule: an expression in its place, or null: a call. */
  inlined(rule: number): Expr | null;
  /** The number by which a rule is called. */
  ruleOf(rule: number): number;
  /** The rule that repeats an item a counted number of times and then reads `close`; null: unroll it. */
  counted(item: Expr, min: number, max: number, close: number): number | null;
  /** The rule for an item that is repeated too often to be copied; null: copy it. */
  shared(item: Expr): number | null;
  tokenSymbol(id: number): number;
}

/** Builds the nodes of expressions into an Nfa (Thompson's construction). */
export class NfaBuilder {
  readonly #nfa: Nfa;
  readonly #budget: Budget;
  readonly #callbacks: Callbacks | null;
  readonly #sequences = new Map<CodePoints, ByteSequence[]>();
  readonly #encoder = new TextEncoder();
  readonly #encoded = new Map<string, Uint8Array>();

  /** @param callbacks null: expressions are regular */
  constructor(nfa: Nfa, budget: Budget, callbacks: Callbacks | null = null) {
    this.#nfa = nfa;
    this.#budget = budget;
    this.#callbacks = callbacks;
  }

  /** Adds an expression behind a node. @returns the node behind it; no edge of the expression leads back to `from` */
  add(expr: Expr, from: number): number {
    const nfa = this.#nfa;
    switch (expr.kind) {
      case "text":
        return this.#bytes(this.#encode(expr.text), from);
      case "class": {
        const to = nfa.node();
        for (const bytes of this.#utf8(expr.points)) {
          let at = from;
          for (const [i, [lo, hi]] of bytes.entries()) {
            const next = i === bytes.length - 1 ? to : nfa.node();
            nfa.edge(at, lo, hi, next);
            at = next;
          }
        }
        return to;
      }
      case "sequence":
        return this.#sequence(expr.parts, from);
      case "choice": {
        const to = nfa.node();
        for (const option of expr.options) nfa.empty(this.add(option, from), to);
        return to;
      }
      case "repeat":
        return this.#repeat(expr, from);
      case "members":
        return this.#members(expr.members, expr.separator, from);
      case "rule": {
        const inlined = this.#outer(expr).inlined(expr.rule);
        return inlined === null ? this.#call(this.#outer(expr).ruleOf(expr.rule), from) : this.add(inlined, from);
      }
      case "automaton": {
        const nodes = expr.dfa.edges.map(() => nfa.node());
        const to = nfa.node();
        nfa.empty(from, nodes[0]!);
        for (const [state, edges] of expr.dfa.edges.entries()) {
          for (let e = 0; e < edges.length; e += 3)
            nfa.edge(nodes[state]!, edges[e]!, edges[e + 1]!, nodes[edges[e + 2]!]!);
          if (expr.dfa.final[state]) nfa.empty(nodes[state]!, to);
        }
        return to;
      }
      case "token": {
        const to = nfa.node();
        const symbol = FIRST_TOKEN_SYMBOL + this.#outer(expr).tokenSymbol(expr.id);
        nfa.edge(from, symbol, symbol, to);
        return to;
      }
      case "anchor": {
        const to = nfa.node();
        nfa.anchor(from, expr.at, to);
        return to;
      }
    }
  }

  /** A repeated text is encoded once. */
  #encode(text: string): Uint8Array {
    let bytes = this.#encoded.get(text);
    if (bytes === undefined) {
      bytes = this.#encoder.encode(text);
      this.#encoded.set(text, bytes);
    }
    return bytes;
  }

  #utf8(points: CodePoints): ByteSequence[] {
    let sequences = this.#sequences.get(points);
    if (sequences === undefined) {
      sequences = utf8Sequences(points);
      this.#sequences.set(points, sequences);
      this.#budget.spend(5 * sequences.length);
    }
    return sequences;
  }

  #outer(expr: Expr): Callbacks {
    if (this.#callbacks === null) throw new Error(`a regular language cannot hold a ${expr.kind}`);
    return this.#callbacks;
  }

  #call(rule: number, from: number): number {
    const to = this.#nfa.node();
    this.#nfa.call(from, rule, to);
    return to;
  }

  #bytes(bytes: Uint8Array, from: number): number {
    let at = from;
    for (const byte of bytes) {
      const next = this.#nfa.node();
      this.#nfa.edge(at, byte, byte, next);
      at = next;
    }
    return at;
  }

  #sequence(parts: readonly Expr[], from: number): number {
    let at = from;
    for (let i = 0; i < parts.length; i++) {
      const [part, next] = [parts[i]!, parts[i + 1]];
      if (part.kind === "repeat" && next?.kind === "text" && this.#callbacks !== null) {
        const bytes = this.#encode(next.text);
        const rule = this.#callbacks.counted(part.item, part.min, part.max, bytes[0]!);
        if (rule !== null) {
          at = this.#bytes(bytes.subarray(1), this.#call(rule, at));
          i++;
          continue;
        }
      }
      at = this.add(part, at);
    }
    return at;
  }

  #repeat({ item, min, max }: Expr & { kind: "repeat" }, from: number): number {
    const nfa = this.#nfa;
    const copies = max === Number.POSITIVE_INFINITY ? min + 1 : max;
    const rule = copies > 1 ? (this.#callbacks?.shared(item) ?? null) : null;
    const add = (at: number): number => (rule === null ? this.add(item, at) : this.#call(rule, at));
    let at = from;
    for (let i = 0; i < min; i++) at = add(at);
    if (max === Number.POSITIVE_INFINITY) {
      const loop = nfa.node();
      nfa.empty(at, loop);
      nfa.empty(add(loop), loop);
      return loop;
    }
    const to = nfa.node();
    for (let i = min; i < max; i++) {
      nfa.empty(at, to);
      at = add(at);
    }
    nfa.empty(at, to);
    return to;
  }

  /**
   * Members in their order, each built once: `fresh[i]` is reached while none of the first i came, `behind[i]` once one
   * did, and both lead to the member, the latter by a separator.
   */
  #members(members: readonly Member[], separator: Expr, from: number): number {
    const nfa = this.#nfa;
    let fresh = from;
    let behind = nfa.node();
    for (const { expr, occurs } of members) {
      const start = nfa.node();
      nfa.empty(fresh, start);
      nfa.empty(this.add(separator, behind), start);
      const end = this.add(expr, start);
      const nextFresh = nfa.node();
      const nextBehind = occurs === "many" ? behind : nfa.node();
      nfa.empty(end, nextBehind);
      if (occurs !== "once") {
        nfa.empty(fresh, nextFresh);
        if (occurs === "maybe") nfa.empty(behind, nextBehind);
      }
      fresh = nextFresh;
      behind = nextBehind;
    }
    const to = nfa.node();
    nfa.empty(fresh, to);
    nfa.empty(behind, to);
    this.#budget.spend(members.length);
    return to;
  }
}
