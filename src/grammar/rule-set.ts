import type { Budget } from "./budget.ts";
import type { ByteDfa } from "./byte-dfa.ts";
import { choice, type Expr, type Grammar, repeat, sequence } from "./expr.ts";
import { GrammarError, locate } from "./grammar-error.ts";
import { Nfa } from "./nfa.ts";
import { type Callbacks, NfaBuilder } from "./nfa-builder.ts";
import { toDfa } from "./regular.ts";

/** Expressions up to this size are copied rather than called, where they are repeated. */
const COPIED_SIZE = 16;
/** Rules up to this size stand in for their calls. */
const INLINED_SIZE = 400;
/** Rules that call one another in a chain. */
const MAX_CALL_DEPTH = 250;
/** Items repeated at most this often are unrolled rather than counted. */
const UNROLLED = 4;

/** A rule as nodes of the one Nfa. */
export interface RuleNodes {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** The start is where each item begins and is counted; the end is reached only after min to max items. */
  readonly counter: { readonly item: Expr; readonly min: number; readonly max: number } | null;
}

interface Counted {
  readonly item: Expr;
  readonly dfa: ByteDfa;
  readonly close: number;
  readonly min: number;
  readonly max: number;
}

interface Unit {
  readonly name: string;
  readonly expr: Expr | null;
  readonly counted: Counted | null;
}

/** Turns a grammar into nodes of one Nfa, one part for each rule that is called; rule 0 is the start. */
export class RuleSet implements Callbacks {
  readonly nfa: Nfa;
  readonly rules: RuleNodes[] = [];
  /** Ids of the tokens that the grammar names; their symbols follow the bytes. */
  readonly tokens: number[] = [];
  readonly #grammar: Grammar;
  readonly #budget: Budget;
  readonly #units: Unit[] = [];
  readonly #unitOfRule = new Map<number, number>();
  readonly #unitOfItem = new Map<Expr, number>();
  readonly #countedDfas = new Map<Expr, ByteDfa | null>();
  readonly #sizes = new Map<Expr, number>();
  readonly #recursive = new Set<number>();
  readonly #unrolled: ReadonlySet<Expr>;
  /** Name of the rule whose nodes are being made: also that of the parts of it that become rules. */
  #building = "";

  /**
   * @param unrolled items that are not to be counted
   * @throws GrammarError beyond the budget
   */
  constructor(grammar: Grammar, budget: Budget, unrolled: ReadonlySet<Expr> = new Set()) {
    this.#unrolled = unrolled;
    this.#grammar = grammar;
    this.#budget = budget;
    this.nfa = new Nfa(budget);
    this.#size(grammar.start, new Set());
    this.#unit({ name: "", expr: grammar.start, counted: null });
    const builder = new NfaBuilder(this.nfa, budget, this);
    for (let id = 0; id < this.#units.length; id++) {
      const { name, expr, counted } = this.#units[id]!;
      this.#building = name;
      const start = this.nfa.node();
      const end = locate(name, () => (expr === null ? this.#loop(counted!, start) : builder.add(expr, start)));
      this.rules.push({ name, start, end, counter: counted });
    }
  }

  inlined(rule: number): Expr | null {
    const { inline, expr } = this.#grammar.rules[rule]!;
    return inline && !this.#recursive.has(rule) && this.#size(expr!, new Set()) <= INLINED_SIZE ? expr : null;
  }

  ruleOf(rule: number): number {
    let unit = this.#unitOfRule.get(rule);
    if (unit === undefined) {
      const { name, expr } = this.#grammar.rules[rule]!;
      unit = this.#unit({ name, expr, counted: null });
      this.#unitOfRule.set(rule, unit);
    }
    return unit;
  }

  shared(item: Expr): number | null {
    if (this.#size(item, new Set()) <= COPIED_SIZE) return null;
    let unit = this.#unitOfItem.get(item);
    if (unit === undefined) {
      unit = this.#unit({ name: this.#building, expr: item, counted: null });
      this.#unitOfItem.set(item, unit);
    }
    return unit;
  }

  counted(item: Expr, min: number, max: number, close: number): number | null {
    if ((max === Number.POSITIVE_INFINITY ? min : max) <= UNROLLED || this.#unrolled.has(item)) return null;
    let dfa = this.#countedDfas.get(item);
    if (dfa === undefined) {
      const regular = this.#regular(item);
      dfa = regular && toDfa(regular, this.#budget);
      if (dfa !== null && !isPrefixFree(dfa)) dfa = null;
      this.#countedDfas.set(item, dfa);
    }
    if (dfa === null) return null;
    const first = dfa.edges[0]!;
    for (let e = 0; e < first.length; e += 3) if (first[e]! <= close && close <= first[e + 1]!) return null;
    return this.#unit({ name: this.#building, expr: null, counted: { item, dfa, close, min, max } });
  }

  tokenSymbol(id: number): number {
    const known = this.tokens.indexOf(id);
    return known >= 0 ? known : this.tokens.push(id) - 1;
  }

  #unit(unit: Unit): number {
    return this.#units.push(unit) - 1;
  }

  /** Items in a circle through `start`, which `close` leaves. @returns the node behind `close` */
  #loop({ dfa, close }: Counted, start: number): number {
    const nodes = dfa.edges.map((_, state) => (state === 0 || dfa.final[state] ? start : this.nfa.node()));
    for (const [state, edges] of dfa.edges.entries()) {
      for (let e = 0; e < edges.length; e += 3)
        this.nfa.edge(nodes[state]!, edges[e]!, edges[e + 1]!, nodes[edges[e + 2]!]!);
    }
    const end = this.nfa.node();
    this.nfa.edge(start, close, close, end);
    return end;
  }

  /** The expression with its rules written out; null where that cannot be, or it has tokens or anchors. */
  #regular(expr: Expr): Expr | null {
    switch (expr.kind) {
      case "text":
      case "class":
      case "automaton":
        return expr;
      case "sequence":
      case "choice": {
        const parts = (expr.kind === "sequence" ? expr.parts : expr.options).map((part) => this.#regular(part));
        if (parts.some((part) => part === null)) return null;
        return expr.kind === "sequence" ? sequence(...(parts as Expr[])) : choice(...(parts as Expr[]));
      }
      case "repeat": {
        const item = this.#regular(expr.item);
        return item && repeat(item, expr.min, expr.max);
      }
      case "rule": {
        const inlined = this.inlined(expr.rule);
        return inlined && this.#regular(inlined);
      }
      default:
        return null;
    }
  }

  /** About how many nodes an expression takes; also finds the rules that lead to themselves. */
  #size(expr: Expr, within: Set<number>): number {
    const known = this.#sizes.get(expr);
    if (known !== undefined) return known;
    this.#budget.spend(1);
    const size = this.#measure(expr, within);
    this.#sizes.set(expr, size);
    return size;
  }

  #measure(expr: Expr, within: Set<number>): number {
    const sum = (exprs: readonly Expr[]) => exprs.reduce((total, e) => total + this.#size(e, within), 1);
    switch (expr.kind) {
      case "text":
        return expr.text.length;
      case "class":
        return 2;
      case "sequence":
        return sum(expr.parts);
      case "choice":
        return sum(expr.options);
      case "members":
        return sum(expr.members.map((m) => m.expr));
      case "repeat":
        return this.#size(expr.item, within) * Math.max(1, expr.max === Number.POSITIVE_INFINITY ? expr.min : expr.max);
      case "automaton":
        return expr.dfa.edges.length;
      case "rule": {
        if (within.has(expr.rule)) {
          this.#recursive.add(expr.rule);
          return 1;
        }
        if (within.size > MAX_CALL_DEPTH) throw new GrammarError("", "rules call one another too deeply");
        within.add(expr.rule);
        const { expr: body, inline } = this.#grammar.rules[expr.rule]!;
        const size = this.#size(body!, within);
        within.delete(expr.rule);
        return inline ? size : 1;
      }
      default:
        return 1;
    }
  }
}

/** Whether no accepted text is the start of another, and the automaton never returns to its own start. */
function isPrefixFree({ edges, final }: ByteDfa): boolean {
  if (final[0]) return false;
  return edges.every((out, state) => {
    if (final[state] && out.length > 0) return false;
    for (let e = 2; e < out.length; e += 3) if (out[e] === 0) return false;
    return true;
  });
}
