import { IntList } from "./int-list.ts";

/** Lists of nodes, by numbers that are equal where the lists are. */
export class NodeSets {
  readonly #members = new IntList();
  /** By list: where its members begin; those of the next begin behind them. */
  readonly #starts = new IntList();
  /** By hash: the list that came last; by list: the one of its hash that came before, or -1. */
  readonly #lastOf = new Map<number, number>();
  readonly #before = new IntList();

  constructor() {
    this.#starts.push(0);
  }

  /** The list's number. */
  idOf(nodes: readonly number[]): number {
    let hash = nodes.length;
    for (let i = 0; i < nodes.length; i++) hash = Math.imul(hash ^ nodes[i]!, 0x9e3779b1) ^ (hash >>> 15);
    hash >>>= 2; // a number that takes no memory of its own
    const last = this.#lastOf.get(hash) ?? -1;
    for (let id = last; id >= 0; id = this.#before.data[id]!) if (this.#equals(id, nodes)) return id;
    for (let i = 0; i < nodes.length; i++) this.#members.push(nodes[i]!);
    this.#starts.push(this.#members.length);
    const id = this.#before.push(last);
    this.#lastOf.set(hash, id);
    return id;
  }

  #equals(id: number, nodes: readonly number[]): boolean {
    const start = this.start(id);
    if (this.end(id) - start !== nodes.length) return false;
    for (let i = 0; i < nodes.length; i++) if (this.#members.data[start + i] !== nodes[i]) return false;
    return true;
  }

  /** The members of all lists, each from its `start` to before its `end`; valid until the next `idOf`. */
  get members(): Int32Array {
    return this.#members.data;
  }

  start(id: number): number {
    return this.#starts.data[id]!;
  }

  end(id: number): number {
    return this.#starts.data[id + 1]!;
  }

  has(id: number, node: number): boolean {
    return this.#members.data.subarray(this.start(id), this.end(id)).includes(node);
  }
}
