import { ConfigError } from "../errors.ts";

/**
 * Split patterns of tokenizer files are written for Oniguruma (Ruby syntax, Unicode) or Rust's regex crates; this turns
 * them into JavaScript `v`-flag patterns that match the same text. What differs and is translated:
 * `\s \d \w \b` (Unicode; U+0085 is white space and U+FEFF is not), `.`, `^`, `$` (only U+000A ends a line), `(?i:...)`,
 * atomic groups and possessive quantifiers, `[a&&b]`, script names (`\p{Han}`).
 * Anything else is refused by name, as is a pattern that could take exponential time on hostile text: the patterns come
 * from model files.
 */
const MAX_LENGTH = 8192; // the longest known (deepseek-llm) has about 400
const MAX_DEPTH = 32;
const MAX_SIZE = 20_000; // atoms after unrolling {n,m}
const MAX_COUNT = 1000;

const SPACE = "\\p{White_Space}";
const WORD = "[\\p{L}\\p{M}\\p{Nd}\\p{Pc}]";
const GENERAL_CATEGORY =
  /^(L[CulmotC]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfson]?|Letter|Mark|Number|Punctuation|Symbol|Separator)$/;
const BINARY_PROPERTY = /^(Alphabetic|Uppercase|Lowercase|White_Space|Emoji|Ideographic|ASCII)$/;

const CONTROL_ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, a: 7, e: 27 };

/** Translated source with what the limits need to know of it. */
interface Node {
  source: string;
  /** Atoms after unrolling counted repetition. */
  size: number;
  /** Holds a quantifier without an upper bound. */
  unbounded: boolean;
}

/**
 * @param field named in errors, e.g. `pre_tokenizer.pretokenizers[0].pattern`
 * @returns a global, Unicode-sets regular expression
 * @throws ConfigError for syntax that is not known here and for patterns beyond the limits
 */
export function compileOniguruma(pattern: string, field: string): RegExp {
  if (pattern.length > MAX_LENGTH)
    throw new ConfigError(field, `pattern of ${pattern.length} characters; the limit is ${MAX_LENGTH}`);
  const source = new Translator(pattern, field).translate();
  try {
    return new RegExp(source, "gv");
  } catch (cause) {
    throw new ConfigError(field, `pattern cannot be compiled: ${pattern}`, { cause });
  }
}

class Translator {
  readonly #chars: string[];
  readonly #field: string;
  readonly #pattern: string;
  #at = 0;
  #depth = 0;
  #atomicGroups = 0;

  constructor(pattern: string, field: string) {
    this.#chars = Array.from(pattern);
    this.#pattern = pattern;
    this.#field = field;
  }

  translate(): string {
    const node = this.#alternatives(false);
    if (this.#at < this.#chars.length) this.#refuse("unmatched )");
    return node.source;
  }

  #refuse(what: string): never {
    throw new ConfigError(this.#field, `${what} at character ${this.#at} of the pattern ${this.#pattern}`);
  }

  #peek(ahead = 0): string {
    return this.#chars[this.#at + ahead] ?? "";
  }

  #take(text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.#peek(i) !== text[i]) return false;
    this.#at += text.length;
    return true;
  }

  #next(): string {
    const char = this.#peek();
    if (char === "") this.#refuse("unexpected end");
    this.#at++;
    return char;
  }

  #alternatives(ignoreCase: boolean): Node {
    const all: Node = { source: "", size: 0, unbounded: false };
    for (;;) {
      while (this.#at < this.#chars.length && this.#peek() !== "|" && this.#peek() !== ")") {
        const node = this.#quantified(this.#atom(ignoreCase));
        all.source += node.source;
        all.size += node.size;
        all.unbounded ||= node.unbounded;
        if (all.size > MAX_SIZE) this.#refuse(`more than ${MAX_SIZE} parts`);
      }
      if (!this.#take("|")) return all;
      all.source += "|";
    }
  }

  #quantified(atom: Node): Node {
    let node = atom;
    for (let times = this.#quantifier(); times !== null; times = this.#quantifier()) {
      const unbounded = times.max === Number.POSITIVE_INFINITY;
      if (unbounded && node.unbounded) this.#refuse("an unlimited repetition inside another one (exponential time)");
      if (times.min > MAX_COUNT || (!unbounded && times.max > MAX_COUNT)) this.#refuse(`a count over ${MAX_COUNT}`);
      const source = `(?:${node.source})${times.source}`;
      node = {
        source: times.possessive ? this.#atomic(source) : source,
        size: node.size * Math.max(1, unbounded ? times.min : times.max),
        unbounded: unbounded || node.unbounded,
      };
    }
    return node;
  }

  #quantifier(): { source: string; min: number; max: number; possessive: boolean } | null {
    const simple = this.#peek();
    if (simple === "?" || simple === "*" || simple === "+") {
      this.#at++;
      const max = simple === "?" ? 1 : Number.POSITIVE_INFINITY;
      const min = simple === "+" ? 1 : 0;
      if (this.#take("+")) return { source: simple, min, max, possessive: true };
      return { source: this.#take("?") ? `${simple}?` : simple, min, max, possessive: false };
    }
    if (simple !== "{") return null;
    const match = /^\{(\d{0,6})(,?)(\d{0,6})\}/.exec(this.#chars.slice(this.#at, this.#at + 16).join(""));
    const [text, low = "", comma, high = ""] = match ?? [];
    if (text === undefined || (low === "" && high === "")) return null; // a literal brace, as in Oniguruma
    this.#at += text.length;
    const min = low === "" ? 0 : Number(low);
    const max = high !== "" ? Number(high) : comma ? Number.POSITIVE_INFINITY : min;
    if (max < min) this.#refuse(`the count ${text}`);
    const source = `{${min}${comma ? "," : ""}${high}}`;
    return { source: this.#take("?") ? `${source}?` : source, min, max, possessive: false };
  }

  // JavaScript has no atomic groups, but a look-ahead is never entered again once it has matched.
  #atomic(source: string): string {
    const name = `a${this.#atomicGroups++}`;
    return `(?=(?<${name}>${source}))\\k<${name}>`;
  }

  #atom(ignoreCase: boolean): Node {
    const char = this.#next();
    switch (char) {
      case "(":
        return this.#group(ignoreCase);
      case "[":
        return leaf(this.#charClass(ignoreCase));
      case ".":
        return leaf("[^\\n]");
      case "^":
        return leaf("(?<![^\\n])");
      case "$":
        return leaf("(?![^\\n])");
      case "\\":
        return leaf(this.#escape(ignoreCase));
      case "*":
      case "+":
      case "?":
        return this.#refuse(`${char} without anything to repeat`);
      default:
        return leaf(literal(char, ignoreCase));
    }
  }

  #group(ignoreCase: boolean): Node {
    if (++this.#depth > MAX_DEPTH) this.#refuse(`groups nested more than ${MAX_DEPTH} deep`);
    let open = "(?:"; // captures are not needed for splitting
    let atomic = false;
    let inner = ignoreCase;
    if (this.#take("?")) {
      if (this.#take(":")) open = "(?:";
      else if (this.#take("i:")) inner = true;
      else if (this.#take("-i:")) inner = false;
      else if (this.#take("=")) open = "(?=";
      else if (this.#take("!")) open = "(?!";
      else if (this.#take("<=")) open = "(?<=";
      else if (this.#take("<!")) open = "(?<!";
      else if (this.#take(">")) atomic = true;
      else this.#refuse(`the group (?${this.#peek()}`);
    }
    const node = this.#alternatives(inner);
    if (!this.#take(")")) this.#refuse("missing )");
    this.#depth--;
    const source = `${open}${node.source})`;
    return { ...node, source: atomic ? this.#atomic(source) : source };
  }

  #escape(ignoreCase: boolean): string {
    const char = this.#next();
    switch (char) {
      case "b":
        return `(?:(?<=${WORD})(?!${WORD})|(?<!${WORD})(?=${WORD}))`;
      case "B":
        return `(?:(?<=${WORD})(?=${WORD})|(?<!${WORD})(?!${WORD}))`;
      case "A":
        return "(?<![^])";
      case "z":
        return "(?![^])";
      default: {
        const set = this.#setEscape(char);
        return set ?? literal(this.#characterEscape(char), ignoreCase);
      }
    }
  }

  /** `\s`, `\p{...}` and their like, usable inside and outside of a class; null when it is another escape. */
  #setEscape(char: string): string | null {
    switch (char) {
      case "s":
        return SPACE;
      case "S":
        return "\\P{White_Space}";
      case "d":
        return "\\p{Nd}";
      case "D":
        return "\\P{Nd}";
      case "w":
        return WORD;
      case "W":
        return `[^${WORD}]`;
      case "p":
      case "P":
        return this.#property(char === "P");
      default:
        return null;
    }
  }

  #property(negated: boolean): string {
    let name = "";
    if (this.#take("{")) {
      while (this.#peek() !== "}") name += this.#next();
      this.#at++;
    } else name = this.#next();
    const inverse = name.startsWith("^");
    if (inverse) name = name.slice(1);
    if (!/^\w+$/.test(name)) this.#refuse(`the property ${name}`);
    const p = negated !== inverse ? "\\P" : "\\p";
    if (GENERAL_CATEGORY.test(name) || BINARY_PROPERTY.test(name)) return `${p}{${name}}`;
    const script = `${p}{Script=${name}}`;
    try {
      new RegExp(script, "v");
    } catch {
      this.#refuse(`the unknown property ${name}`);
    }
    return script;
  }

  #characterEscape(char: string): string {
    const control = CONTROL_ESCAPES[char];
    if (control !== undefined) return String.fromCodePoint(control);
    if (char === "x" || char === "u") {
      const braced = this.#take("{");
      const digits = braced ? 6 : char === "x" ? 2 : 4;
      let hex = "";
      while (hex.length < digits && /[0-9a-fA-F]/.test(this.#peek())) hex += this.#next();
      if (hex === "" || (braced && !this.#take("}"))) this.#refuse(`the escape \\${char}`);
      const code = Number.parseInt(hex, 16);
      if (code > 0x10ffff) this.#refuse(`the character \\${char}{${hex}}`);
      return String.fromCodePoint(code);
    }
    if (/[A-Za-z0-9]/.test(char)) this.#refuse(`the escape \\${char}`);
    return char;
  }

  // The part after [. Operands of && become nested classes, which is what the v flag asks for.
  #charClass(ignoreCase: boolean): string {
    if (++this.#depth > MAX_DEPTH) this.#refuse(`classes nested more than ${MAX_DEPTH} deep`);
    const negated = this.#take("^");
    const operands: string[] = [];
    let union = "";
    let first = true;
    while (first || this.#peek() !== "]") {
      first = false;
      if (this.#take("&&")) {
        operands.push(`[${union}]`);
        union = "";
      } else union += this.#classItem(ignoreCase && !negated);
    }
    this.#at++;
    this.#depth--;
    const body = operands.length === 0 ? union : [...operands, `[${union}]`].join("&&");
    return `[${negated ? "^" : ""}${body}]`;
  }

  #classItem(ignoreCase: boolean): string {
    if (this.#peek() === "[" && this.#peek(1) === ":") this.#refuse("the POSIX bracket [:");
    if (this.#take("[")) return this.#charClass(ignoreCase);
    const start = this.#classCharacter();
    if ("set" in start) return start.set;
    if (this.#peek() !== "-" || this.#peek(1) === "]" || this.#peek(1) === "")
      return literal(start.char, ignoreCase, true);
    this.#at++;
    const end = this.#classCharacter();
    if ("set" in end || end.char.codePointAt(0)! < start.char.codePointAt(0)!) this.#refuse("a range in a class");
    const range = `${codeEscape(start.char)}-${codeEscape(end.char)}`;
    if (!ignoreCase) return range;
    if (!/^[a-z]-[a-z]$|^[A-Z]-[A-Z]$|^[0-9]-[0-9]$/.test(`${start.char}-${end.char}`))
      this.#refuse("a range that is not of one ASCII case inside (?i:");
    const chars: string[] = [];
    for (let c = start.char.codePointAt(0)!; c <= end.char.codePointAt(0)!; c++) chars.push(String.fromCodePoint(c));
    return chars.map((c) => literal(c, true, true)).join("");
  }

  #classCharacter(): { char: string } | { set: string } {
    const char = this.#next();
    if (char !== "\\") return { char };
    const escaped = this.#next();
    if (escaped === "b") return { char: "\b" };
    const set = this.#setEscape(escaped);
    return set === null ? { char: this.#characterEscape(escaped) } : { set };
  }
}

function leaf(source: string): Node {
  return { source, size: 1, unbounded: false };
}

function codeEscape(char: string): string {
  return `\\u{${char.codePointAt(0)!.toString(16)}}`;
}

/** One character; with `ignoreCase` all its case variants under simple Unicode case folding. */
function literal(char: string, ignoreCase: boolean, inClass = false): string {
  if (!ignoreCase) return codeEscape(char);
  const variants = new Set([char, char.toLowerCase(), char.toUpperCase()].filter((c) => Array.from(c).length === 1));
  // The two letters outside ASCII that fold to ASCII ones.
  if (variants.has("s")) variants.add("\u017f");
  if (variants.has("k")) variants.add("\u212a");
  const all = Array.from(variants, codeEscape).join("");
  return inClass || variants.size === 1 ? all : `[${all}]`;
}
