import { type Counter, NOWHERE } from "./automaton.ts";
import { FIRST_TOKEN_SYMBOL } from "./nfa.ts";
import type { Configuration, StackAutomaton, Top } from "./stacks.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Bytes of masks kept, of states and of configurations each. */
const CACHE_BYTES = 8 << 20;
/** Above this many tokens a set is kept as a bit mask, below as a list. */
const LISTED = 1024;

/** What the tokens do that a state reads without leaving its rule. */
interface LocalTokens {
  /** Tokens that end inside the rule: a mask, or when there are few a list. */
  readonly mask: Uint32Array | null;
  readonly list: Int32Array;
  /** Inside a counted repetition: items that each token of `list` begins; `list` is in this order and has all tokens. */
  readonly costs: Uint16Array | null;
  /** Inside a counted repetition: tokens that end right behind it, with the items they end. */
  readonly closing: readonly (readonly [token: number, items: number])[];
  /** Where the rule may be left in mid-token. */
  readonly exits: readonly Exit[];
}

/** Nodes of the trie, with children, at which a token has reached a state that may leave its rule. */
interface Exit {
  readonly state: number;
  /** Items ended before, inside a counted repetition; else 0. */
  readonly items: number;
  readonly nodes: number[];
}

/**
 * Which tokens may follow a configuration. What a token does inside the rule of a state does not depend on the stack, so
 * it is found once for each state by a walk over the vocabulary's trie; only where a token leaves the rule is the rest of
 * it followed over the stacks. Both are remembered, within bounds.
 */
export class TokenMasks {
  readonly #stacks: StackAutomaton;
  readonly #vocabulary: Vocabulary;
  readonly #local = new Bounded<number, LocalTokens>(CACHE_BYTES);
  readonly #masks = new Bounded<Configuration, Uint32Array>(CACHE_BYTES);
  /** By depth: where a walk is. */
  readonly #states: Int32Array;
  readonly #items: Uint16Array;
  readonly #path: (Configuration | null)[];

  constructor(stacks: StackAutomaton, vocabulary: Vocabulary) {
    this.#stacks = stacks;
    this.#vocabulary = vocabulary;
    this.#states = new Int32Array(vocabulary.maxDepth + 1);
    this.#items = new Uint16Array(vocabulary.maxDepth + 1);
    this.#path = new Array(vocabulary.maxDepth + 1).fill(null);
  }

  /** Not to be written to: later callers get the same one. @throws GrammarError as `StackAutomaton.step` */
  mask(configuration: Configuration): Uint32Array {
    const known = this.#masks.get(configuration);
    if (known !== undefined) return known;
    const { tokens, classOf } = this.#stacks.automaton;
    const mask = new Uint32Array(this.#vocabulary.maskWords);
    for (const top of configuration.tops) this.#addTop(top, mask);
    for (const [id, first] of this.#vocabulary.twins) if (has(mask, first)) set(mask, id);
    for (const [i, id] of tokens.entries()) {
      if (this.#stacks.step(configuration, classOf[FIRST_TOKEN_SYMBOL + i]!) !== null) set(mask, id);
    }
    this.#masks.set(configuration, mask, mask.byteLength);
    return mask;
  }

  /** Finds what a state's tokens do before it is asked for. */
  prepare(state: number): void {
    this.#localTokens(state);
  }

  #addTop({ state, count, stack }: Top, mask: Uint32Array): void {
    const local = this.#localTokens(state);
    const counter = this.#stacks.automaton.counters[state]!;
    if (counter === null) {
      if (local.mask) for (let i = 0; i < mask.length; i++) mask[i]! |= local.mask[i]!;
      for (const token of local.list) set(mask, token);
    } else addCounted(local, counter.max - count, mask);
    for (const [token, items] of local.closing) if (within(counter!, count + items)) set(mask, token);
    for (const exit of local.exits) {
      if (counter !== null && !within(counter, count + exit.items)) continue;
      const beyond = this.#stacks.beyond(exit.state, stack);
      if (beyond !== null) for (const node of exit.nodes) this.#walkStacks(beyond, node, mask);
    }
  }

  /** Sets the tokens below a node of the trie that may follow a configuration. */
  #walkStacks(from: Configuration, node: number, mask: Uint32Array): void {
    const { byte, depth, end, token } = this.#vocabulary;
    const { classOf } = this.#stacks.automaton;
    const path = this.#path;
    path[depth[node]!] = from;
    const last = end[node]!;
    for (let i = node + 1; i < last; ) {
      const at = path[depth[i]! - 1]!;
      const symbol = classOf[byte[i]!]!;
      let to = at.next[symbol];
      if (to === undefined) to = this.#stacks.step(at, symbol);
      if (to === null) {
        i = end[i]!;
        continue;
      }
      path[depth[i]!] = to;
      const id = token[i]!;
      if (id >= 0) mask[id >>> 5]! |= 1 << (id & 31);
      i++;
    }
  }

  #localTokens(state: number): LocalTokens {
    const known = this.#local.get(state);
    if (known !== undefined) return known;
    const local = this.#stacks.automaton.counters[state]
      ? this.#walkCounted(state, this.#stacks.automaton.counters[state]!)
      : this.#walkRule(state);
    const bytes = (local.mask?.byteLength ?? 0) + local.list.byteLength + (local.costs?.byteLength ?? 0);
    const nodes = local.exits.reduce((sum, exit) => sum + exit.nodes.length, local.closing.length);
    this.#local.set(state, local, bytes + 8 * nodes + 64);
    return local;
  }

  #walkRule(start: number): LocalTokens {
    const { byte, depth, end, token, nodes, maskWords } = this.#vocabulary;
    const { classOf, classes, table, final, calls } = this.#stacks.automaton;
    const states = this.#states;
    const found: number[] = [];
    const exits = new Map<number, Exit>();
    let mask: Uint32Array | null = null;
    states[0] = start;
    for (let i = 1; i < nodes; ) {
      const to = table[states[depth[i]! - 1]! * classes + classOf[byte[i]!]!]!;
      if (to === NOWHERE) {
        i = end[i]!;
        continue;
      }
      states[depth[i]!] = to;
      const id = token[i]!;
      if (id >= 0) {
        if (mask !== null) mask[id >>> 5]! |= 1 << (id & 31);
        else if (found.push(id) > LISTED) {
          mask = new Uint32Array(maskWords);
          for (const t of found) set(mask, t);
        }
      }
      if ((final[to] === 1 || calls[to]!.length > 0) && end[i]! > i + 1) addExit(exits, to, 0, i);
      i++;
    }
    const list = mask === null ? Int32Array.from(found) : new Int32Array();
    return { mask, list, costs: null, closing: [], exits: [...exits.values()] };
  }

  #walkCounted(start: number, { loop }: Counter): LocalTokens {
    const { byte, depth, end, token, nodes, maskWords } = this.#vocabulary;
    const { classOf, classes, table, final } = this.#stacks.automaton;
    const [states, items] = [this.#states, this.#items];
    const [found, costs]: [number[], number[]] = [[], []];
    const closing: [number, number][] = [];
    const exits = new Map<number, Exit>();
    states[0] = start;
    items[0] = 0;
    for (let i = 1; i < nodes; ) {
      const d = depth[i]!;
      const to = table[states[d - 1]! * classes + classOf[byte[i]!]!]!;
      if (to === NOWHERE) {
        i = end[i]!;
        continue;
      }
      const ended = items[d - 1]! + (to === loop ? 1 : 0);
      const id = token[i]!;
      if (final[to]) {
        if (id >= 0) closing.push([id, ended]);
        if (end[i]! > i + 1) addExit(exits, to, ended, i);
        i = end[i]!;
        continue;
      }
      states[d] = to;
      items[d] = ended;
      if (id >= 0) {
        found.push(id);
        costs.push(to === loop ? ended : ended + 1);
      }
      i++;
    }
    const mask = new Uint32Array(maskWords);
    for (const id of found) set(mask, id);
    return { mask, ...sortByCost(found, costs), closing, exits: [...exits.values()] };
  }
}

function sortByCost(tokens: readonly number[], costs: readonly number[]): { list: Int32Array; costs: Uint16Array } {
  const starts = new Int32Array(costs.reduce((max, cost) => Math.max(max, cost), 0) + 2);
  for (const cost of costs) starts[cost + 1]!++;
  for (let cost = 1; cost < starts.length; cost++) starts[cost]! += starts[cost - 1]!;
  const sorted = { list: new Int32Array(tokens.length), costs: new Uint16Array(tokens.length) };
  for (const [i, token] of tokens.entries()) {
    const at = starts[costs[i]!]!++;
    sorted.list[at] = token;
    sorted.costs[at] = costs[i]!;
  }
  return sorted;
}

/** Tokens that begin at most `left` items: of those that begin more or those that do not, the fewer are gone through. */
function addCounted({ list, costs, mask: all }: LocalTokens, left: number, mask: Uint32Array): void {
  let fit = 0;
  for (let high = list.length; fit < high; ) {
    const middle = (fit + high) >> 1;
    if (costs![middle]! <= left) fit = middle + 1;
    else high = middle;
  }
  if (fit < list.length - fit) {
    for (let i = 0; i < fit; i++) set(mask, list[i]!);
    return;
  }
  const fitting = all!.slice();
  for (let i = fit; i < list.length; i++) fitting[list[i]! >>> 5]! &= ~(1 << (list[i]! & 31));
  for (let i = 0; i < mask.length; i++) mask[i]! |= fitting[i]!;
}

function within({ min, max }: Counter, count: number): boolean {
  return count >= min && count <= max;
}

function addExit(exits: Map<number, Exit>, state: number, items: number, node: number): void {
  const key = state * 0x10000 + items;
  const known = exits.get(key);
  if (known) known.nodes.push(node);
  else exits.set(key, { state, items, nodes: [node] });
}

function set(mask: Uint32Array, token: number): void {
  mask[token >>> 5]! |= 1 << (token & 31);
}

function has(mask: Uint32Array, token: number): boolean {
  return ((mask[token >>> 5]! >>> (token & 31)) & 1) === 1;
}

/** A cache that forgets what was used longest ago once it holds too much. */
class Bounded<K, V> {
  readonly #limit: number;
  readonly #entries = new Map<K, { value: V; bytes: number }>();
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key: K, value: V, bytes: number): void {
    this.#entries.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#limit || oldest === key) return;
      this.#entries.delete(oldest);
      this.#bytes -= entry.bytes;
    }
  }
}
