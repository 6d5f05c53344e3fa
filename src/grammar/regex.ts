import type { Budget } from "./budget.ts";
import { type CodePoints, codePoints, complement, union } from "./code-points.ts";
import { ANY_CHARACTER, characters, choice, EMPTY, type Expr, NEVER, repeat, sequence, text } from "./expr.ts";
import { GrammarError, locate } from "./grammar-error.ts";
import { toDfa } from "./regular.ts";

const MAX_LENGTH = 4096;
const MAX_DEPTH = 64;
const MAX_COUNT = 10_000;

const point = (c: string): [number, number] => [c.codePointAt(0)!, c.codePointAt(0)!];
const DIGIT = codePoints([0x30, 0x39]);
const WORD = codePoints([0x30, 0x39], [0x41, 0x5a], [0x61, 0x7a], point("_"));
/** ECMA-262, WhiteSpace and LineTerminator. */
const SPACE = codePoints(
  [9, 13],
  [32, 32],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
);
const NOT_LINE_END = complement(codePoints(point("\n"), point("\r"), [0x2028, 0x2029]));
const CLASS_ESCAPES: Readonly<Record<string, CodePoints>> = {
  d: DIGIT,
  D: complement(DIGIT),
  w: WORD,
  W: complement(WORD),
  s: SPACE,
  S: complement(SPACE),
};
const CONTROL_ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, 0: 0 };

/**
 * The texts that a regular expression matches as a whole. Its syntax is ECMAScript's, by code points, without
 * look-around, back references, word boundaries and Unicode properties: those are refused by name.
 * @param place named in errors
 * @throws GrammarError
 */
export function regexMatching(pattern: string, place: string, budget: Budget): Expr {
  const expr = unanchored(new RegexParser(pattern, place).parse(), EMPTY);
  return hasAnchor(expr) ? anchoredDfa(expr, place, budget) : expr;
}

/**
 * The texts in which a regular expression matches anywhere, as JSON Schema's `pattern` does.
 * @param encode changes each character to how it is written, for instance in a JSON string
 * @throws GrammarError as `regexMatching`
 */
export function regexContaining(pattern: string, place: string, budget: Budget, encode: (expr: Expr) => Expr): Expr {
  const expr = encode(unanchored(new RegexParser(pattern, place).parse(), repeat(ANY_CHARACTER, 0)));
  return hasAnchor(expr) ? anchoredDfa(expr, place, budget) : expr;
}

function anchoredDfa(expr: Expr, place: string, budget: Budget): Expr {
  const dfa = locate(place, () => toDfa(expr, budget));
  return dfa === null ? NEVER : { kind: "automaton", dfa };
}

/** Leaves out anchors at the ends, and puts `around` where there are none. */
function unanchored(expr: Expr, around: Expr): Expr {
  if (expr.kind === "choice") return choice(...expr.options.map((option) => unanchored(option, around)));
  const parts = expr.kind === "sequence" ? expr.parts : [expr];
  const [first, last] = [parts[0], parts.at(-1)];
  const starts = first?.kind === "anchor" && first.at === "start";
  const ends = last?.kind === "anchor" && last.at === "end";
  const inner = parts.slice(starts ? 1 : 0, ends ? -1 : undefined);
  return sequence(starts ? EMPTY : around, ...inner, ends ? EMPTY : around);
}

function hasAnchor(expr: Expr): boolean {
  switch (expr.kind) {
    case "anchor":
      return true;
    case "sequence":
      return expr.parts.some(hasAnchor);
    case "choice":
      return expr.options.some(hasAnchor);
    case "repeat":
      return hasAnchor(expr.item);
    default:
      return false;
  }
}

class RegexParser {
  readonly #chars: string[];
  readonly #place: string;
  #at = 0;
  #depth = 0;

  constructor(pattern: string, place: string) {
    if (pattern.length > MAX_LENGTH) {
      throw new GrammarError(place, `pattern of ${pattern.length} characters; the limit is ${MAX_LENGTH}`);
    }
    this.#chars = Array.from(pattern);
    this.#place = place;
  }

  parse(): Expr {
    const expr = this.#choice();
    if (this.#at < this.#chars.length) this.#refuse("unmatched )");
    return expr;
  }

  #refuse(what: string): never {
    throw new GrammarError(this.#place, `${what} at character ${this.#at + 1} of the pattern ${this.#chars.join("")}`);
  }

  #peek(ahead = 0): string {
    return this.#chars[this.#at + ahead] ?? "";
  }

  #ahead(count: number): string {
    return this.#chars.slice(this.#at, this.#at + count).join("");
  }

  #take(literal: string): boolean {
    for (let i = 0; i < literal.length; i++) if (this.#peek(i) !== literal[i]) return false;
    this.#at += literal.length;
    return true;
  }

  #choice(): Expr {
    const options = [this.#sequence()];
    while (this.#take("|")) options.push(this.#sequence());
    return choice(...options);
  }

  #sequence(): Expr {
    const parts: Expr[] = [];
    while (this.#at < this.#chars.length && this.#peek() !== "|" && this.#peek() !== ")") {
      parts.push(this.#quantified(this.#atom()));
    }
    return sequence(...parts);
  }

  #quantified(atom: Expr): Expr {
    const counts = this.#quantifier();
    if (counts === null) return atom;
    if (atom.kind === "anchor") this.#refuse("a repeated anchor");
    this.#take("?"); // lazy or not, the same texts match
    if (this.#quantifier() !== null) this.#refuse("a quantifier behind a quantifier");
    return repeat(atom, ...counts);
  }

  #quantifier(): [min: number, max: number] | null {
    if (this.#take("*")) return [0, Number.POSITIVE_INFINITY];
    if (this.#take("+")) return [1, Number.POSITIVE_INFINITY];
    if (this.#take("?")) return [0, 1];
    if (this.#peek() !== "{") return null;
    const written = /^\{(\d{1,9})(?:(,)(\d{1,9})?)?\}/.exec(this.#ahead(24));
    if (written === null) this.#refuse("{ that is no quantifier; write \\{");
    this.#at += written[0].length;
    const min = Number(written[1]);
    const max = written[2] === undefined ? min : Number(written[3] ?? Number.POSITIVE_INFINITY);
    if (min > max) this.#refuse("a quantifier whose numbers are out of order");
    if (min > MAX_COUNT || (max > MAX_COUNT && max !== Number.POSITIVE_INFINITY)) {
      this.#refuse(`more than ${MAX_COUNT} repetitions`);
    }
    return [min, max];
  }

  #atom(): Expr {
    const c = this.#peek();
    if (c === "(") return this.#group();
    if (c === "[") return characters(this.#class());
    if (c === "\\") return this.#escape();
    if (c === "*" || c === "+" || c === "?" || c === "{") this.#refuse(`nothing to repeat before ${c}`);
    this.#at++;
    if (c === ".") return characters(NOT_LINE_END);
    if (c === "^") return { kind: "anchor", at: "start" };
    if (c === "$") return { kind: "anchor", at: "end" };
    return text(wellFormed(c));
  }

  #group(): Expr {
    if (++this.#depth > MAX_DEPTH) this.#refuse(`groups nested more than ${MAX_DEPTH} deep`);
    this.#at++;
    if (this.#peek() === "?") {
      const name = /^\?<[\p{ID_Start}$_][\p{ID_Continue}$]*>/u.exec(this.#ahead(80));
      if (name !== null) this.#at += Array.from(name[0]).length;
      else if (!this.#take("?:")) {
        if (/^\?<?[=!]/.test(this.#ahead(3))) this.#refuse("look-around, which is not supported,");
        this.#refuse("a kind of group that is not supported");
      }
    }
    const inner = this.#choice();
    if (!this.#take(")")) this.#refuse("( without )");
    this.#depth--;
    return inner;
  }

  #escape(): Expr {
    const c = this.#peek(1);
    if (c === "b" || c === "B") this.#refuse(`word boundary \\${c}, which is not supported,`);
    if ((c >= "1" && c <= "9") || c === "k") this.#refuse("back reference, which is not supported,");
    return characters(this.#escaped());
  }

  /** The set that an escape stands for. */
  #escaped(): CodePoints {
    this.#at++;
    const c = this.#peek();
    if (c === "") this.#refuse("\\ at the end");
    const set = CLASS_ESCAPES[c];
    if (set !== undefined) {
      this.#at++;
      return set;
    }
    if (c === "p" || c === "P") this.#refuse(`Unicode property \\${c}, which is not supported,`);
    const value = this.#escapedPoint(c);
    return codePoints([value, value]);
  }

  #escapedPoint(c: string): number {
    const hex = /^(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|u\{([\da-fA-F]{1,6})\})/.exec(this.#ahead(12));
    if (hex !== null) {
      this.#at += hex[0].length;
      let value = Number.parseInt(hex[1] ?? hex[2] ?? hex[3]!, 16);
      const low = /^\\u([dD][c-fC-F][\da-fA-F]{2})/.exec(this.#ahead(6));
      if (value >= 0xd800 && value < 0xdc00 && low !== null) {
        this.#at += low[0].length;
        value = 0x10000 + ((value - 0xd800) << 10) + Number.parseInt(low[1]!, 16) - 0xdc00;
      }
      if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) this.#refuse("an escape that is no character");
      return value;
    }
    this.#at++;
    if (c === "0" && /\d/.test(this.#peek())) this.#refuse("octal escape, which is not supported,");
    if (c === "c" && /[a-zA-Z]/.test(this.#peek())) return this.#chars[this.#at++]!.codePointAt(0)! & 31;
    const control = CONTROL_ESCAPES[c];
    if (control !== undefined) return control;
    if (/[a-zA-Z0-9]/.test(c)) this.#refuse(`unknown escape \\${c}`);
    return wellFormed(c).codePointAt(0)!;
  }

  #class(): CodePoints {
    this.#at++;
    const negated = this.#take("^");
    const sets: CodePoints[] = [];
    while (!this.#take("]")) {
      if (this.#at >= this.#chars.length) this.#refuse("[ without ]");
      const from = this.#classAtom();
      if (this.#peek() !== "-" || this.#peek(1) === "]" || this.#peek(1) === "") {
        sets.push(from);
        continue;
      }
      this.#at++;
      const to = this.#classAtom();
      if (from.length !== 2 || to.length !== 2 || from[0] !== from[1] || to[0] !== to[1]) {
        this.#refuse("a range whose ends are no single characters");
      }
      if (from[0]! > to[0]!) this.#refuse("a range out of order");
      sets.push(codePoints([from[0]!, to[0]!]));
    }
    const all = union(...sets);
    return negated ? complement(all) : all;
  }

  #classAtom(): CodePoints {
    if (this.#peek() !== "\\") return codePoints(point(wellFormed(this.#chars[this.#at++]!)));
    if (this.#peek(1) !== "b") return this.#escaped();
    this.#at += 2;
    return codePoints([8, 8]);
  }
}

/** Half a surrogate pair cannot be written in UTF-8. */
function wellFormed(c: string): string {
  return /\p{Surrogate}/u.test(c) ? "\ufffd" : c;
}
