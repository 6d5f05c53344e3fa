import type { Budget } from "./budget.ts";
import { type CodePoints, codePoints, complement } from "./code-points.ts";
import { ANY_CHARACTER, characters, choice, type Expr, type Grammar, repeat, sequence, text } from "./expr.ts";
import { GrammarError } from "./grammar-error.ts";

const MAX_LENGTH = 64 * 1024;
const MAX_DEPTH = 64;
const MAX_COUNT = 10_000;

/**
 * A grammar in llama.cpp's GBNF: rules `name ::= ...` with the start rule `root`, `"text"`, `[a-z]`, `[^...]`, `.`,
 * `( )`, `|`, `* + ? {n} {n,} {n,m}`, escapes `\n \r \t \\ \" \[ \] \xHH \uHHHH \UHHHHHHHH`, comments behind `#`.
 * Its rules are added to the grammar. Source: llama.cpp, grammars/README.md.
 * @throws GrammarError that names the line, for syntax and for rules that do not exist
 */
export function gbnfExpr(source: string, grammar: Grammar, budget: Budget): Expr {
  if (source.length > MAX_LENGTH) {
    throw new GrammarError("", `a grammar of ${source.length} characters; the limit is ${MAX_LENGTH}`);
  }
  budget.spend(source.length);
  return new GbnfParser(source, grammar).parse();
}

class GbnfParser {
  readonly #source: string;
  readonly #grammar: Grammar;
  readonly #rules = new Map<string, number>();
  /** By rule: where it is first used. */
  readonly #used = new Map<string, number>();
  #at = 0;
  #depth = 0;

  constructor(source: string, grammar: Grammar) {
    this.#source = source;
    this.#grammar = grammar;
  }

  parse(): Expr {
    this.#skip(true);
    while (this.#at < this.#source.length) this.#rule();
    const root = this.#rules.get("root");
    if (root === undefined || this.#grammar.rules[root]!.expr === null) this.#refuse("has no rule `root`");
    for (const [name, at] of this.#used) {
      if (this.#grammar.rules[this.#rules.get(name)!]!.expr !== null) continue;
      this.#at = at;
      this.#refuse(`rule ${name} is not defined`);
    }
    return { kind: "rule", rule: root };
  }

  #refuse(what: string): never {
    const line = this.#source.slice(0, this.#at).split("\n").length;
    throw new GrammarError(`line ${line}`, what);
  }

  #peek(): string {
    return this.#source[this.#at] ?? "";
  }

  #take(literal: string): boolean {
    const is = this.#source.startsWith(literal, this.#at);
    if (is) this.#at += literal.length;
    return is;
  }

  /** What a sticky pattern matches here, or null. */
  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#source);
    if (match !== null) this.#at += match[0].length;
    return match;
  }

  /** White space and comments; a rule ends at a line's end unless it stands in parentheses or behind `|` and `::=`. */
  #skip(lines: boolean): void {
    while (this.#match(lines ? /[ \t\r\n]+|#[^\n]*/y : /[ \t]+|#[^\n]*/y) !== null);
  }

  #name(): string | null {
    return this.#match(/[a-zA-Z0-9-]+/y)?.[0] ?? null;
  }

  #ruleOf(name: string): number {
    let rule = this.#rules.get(name);
    if (rule === undefined) {
      rule = this.#grammar.add(`rule ${name}`, { inline: true });
      this.#rules.set(name, rule);
    }
    return rule;
  }

  #rule(): void {
    const name = this.#name();
    if (name === null) this.#refuse(`want the name of a rule, got ${JSON.stringify(this.#peek())}`);
    this.#skip(false);
    if (!this.#take("::=")) this.#refuse(`want ::= behind ${name}`);
    const rule = this.#grammar.rules[this.#ruleOf(name)]!;
    if (rule.expr !== null) this.#refuse(`rule ${name} is defined twice`);
    this.#skip(true);
    rule.expr = this.#choice(false);
    if (this.#at < this.#source.length && this.#match(/\r?\n|\r/y) === null) {
      this.#refuse(`unexpected ${JSON.stringify(this.#peek())}`);
    }
    this.#skip(true);
  }

  #choice(nested: boolean): Expr {
    const options = [this.#sequence(nested)];
    while (this.#take("|")) {
      this.#skip(true);
      options.push(this.#sequence(nested));
    }
    return choice(...options);
  }

  #sequence(nested: boolean): Expr {
    const parts: Expr[] = [];
    for (;;) {
      const item = this.#item();
      if (item === null) return sequence(...parts);
      this.#skip(nested);
      let expr = item;
      for (let counts = this.#counts(); counts !== null; counts = this.#counts()) {
        expr = repeat(expr, ...counts);
        this.#skip(nested);
      }
      parts.push(expr);
    }
  }

  #counts(): [min: number, max: number] | null {
    if (this.#take("*")) return [0, Number.POSITIVE_INFINITY];
    if (this.#take("+")) return [1, Number.POSITIVE_INFINITY];
    if (this.#take("?")) return [0, 1];
    if (this.#peek() !== "{") return null;
    const written = this.#match(/\{\s*(\d{1,9})\s*(?:(,)\s*(\d{1,9})?\s*)?\}/y);
    if (written === null) this.#refuse("want {n}, {n,} or {n,m}");
    const min = Number(written[1]);
    const max = written[2] === undefined ? min : Number(written[3] ?? Number.POSITIVE_INFINITY);
    if (min > max) this.#refuse("the numbers of a repetition are out of order");
    if (Math.max(min, max === Number.POSITIVE_INFINITY ? 0 : max) > MAX_COUNT) {
      this.#refuse(`more than ${MAX_COUNT} repetitions`);
    }
    return [min, max];
  }

  #item(): Expr | null {
    if (this.#take('"')) return this.#text();
    if (this.#take("[")) return characters(this.#class());
    if (this.#take(".")) return ANY_CHARACTER;
    if (this.#take("(")) {
      if (++this.#depth > MAX_DEPTH) this.#refuse(`parentheses nested more than ${MAX_DEPTH} deep`);
      this.#skip(true);
      const inner = this.#choice(true);
      if (!this.#take(")")) this.#refuse("( without )");
      this.#depth--;
      return inner;
    }
    if (this.#peek() === "<" || this.#peek() === "!") this.#refuse("tokens (<[1]>, <name>) are not supported");
    const at = this.#at;
    const name = this.#name();
    if (name === null) return null;
    if (!this.#used.has(name)) this.#used.set(name, at);
    return { kind: "rule", rule: this.#ruleOf(name) };
  }

  #text(): Expr {
    let value = "";
    while (!this.#take('"')) value += String.fromCodePoint(this.#character('"'));
    return text(value);
  }

  #class(): CodePoints {
    const negated = this.#take("^");
    const ranges: [number, number][] = [];
    while (!this.#take("]")) {
      const from = this.#character("]");
      let to = from;
      if (this.#source[this.#at] === "-" && this.#source[this.#at + 1] !== "]") {
        this.#at++;
        to = this.#character("]");
      }
      if (from > to) this.#refuse("a range out of order");
      ranges.push([from, to]);
    }
    const points = codePoints(...ranges);
    return negated ? complement(points) : points;
  }

  #character(close: string): number {
    const point = this.#source.codePointAt(this.#at);
    if (point === undefined || point === 10) this.#refuse(`${close} is missing`);
    if (point !== 0x5c) {
      this.#at += point > 0xffff ? 2 : 1;
      return this.#scalar(point);
    }
    const hex = this.#match(/\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8}))/y);
    if (hex !== null) return this.#scalar(Number.parseInt(hex[1] ?? hex[2] ?? hex[3]!, 16));
    const escaped = this.#match(/\\([nrt\\"[\]])/y);
    if (escaped === null) this.#refuse(`unknown escape ${this.#source.slice(this.#at, this.#at + 2)}`);
    const control: Record<string, number> = { n: 10, r: 13, t: 9 };
    return control[escaped[1]!] ?? escaped[1]!.charCodeAt(0);
  }

  #scalar(point: number): number {
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) this.#refuse("a code that is no character");
    return point;
  }
}
