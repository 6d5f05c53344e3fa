/** The first thing in a text that keeps it from being acceptable JSON. */
export interface JsonProblem {
  /** UTF-16 offset in the text. */
  readonly offset: number;
  readonly message: string;
  /** The member of the outermost object that is too long; null: something else is wrong. */
  readonly tooLong: string | null;
}

/** How many characters a member of the outermost object may take. */
export type MemberLimit = (name: string) => number;

/**
 * Finds what is wrong with a JSON text, or null if JSON.parse would take it, it nests at most `maxDepth` deep, and
 * no member of the outermost object is longer than its limit (default none): that is known before anything is made of it.
 *
 * JSON.parse does not always say where it failed, quotes the text (which may be a prompt) in its messages, and takes
 * nesting of any depth, which whatever recurses over the value then pays for. Source: RFC 8259.
 */
export function findJsonProblem(
  text: string,
  maxDepth: number,
  limitOf: MemberLimit = () => Number.POSITIVE_INFINITY,
): JsonProblem | null {
  const scanner = new Scanner(text, maxDepth, limitOf);
  try {
    scanner.document();
    return null;
  } catch (problem) {
    if (problem instanceof Found) return problem;
    throw problem;
  }
}

class Found implements JsonProblem {
  readonly offset: number;
  readonly message: string;
  readonly tooLong: string | null;
  constructor(offset: number, message: string, tooLong: string | null) {
    this.offset = offset;
    this.message = message;
    this.tooLong = tooLong;
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
const ESCAPE = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Keeps the open brackets in a list of its own: no recursion, whatever the text. */
class Scanner {
  private readonly text: string;
  private readonly maxDepth: number;
  private readonly limitOf: MemberLimit;
  private readonly open: ("}" | "]")[] = [];
  private at = 0;
  /** Of the outermost object: the current one, and where it must have ended. */
  private member = "";
  private memberEnd = Number.POSITIVE_INFINITY;

  constructor(text: string, maxDepth: number, limitOf: MemberLimit) {
    this.text = text;
    this.maxDepth = maxDepth;
    this.limitOf = limitOf;
  }

  document(): void {
    this.value();
    while (this.open.length > 0) {
      if (this.at > this.memberEnd) throw new Found(this.at, "too long", this.member);
      const close = this.open[this.open.length - 1]!;
      const next = this.skipSpace();
      if (next === ",") {
        this.at++;
        if (close === "}") this.key();
        this.value();
      } else if (next === close) this.close();
      else this.fail(`want "," or "${close}"`);
    }
    if (this.skipSpace() !== undefined) this.fail("want nothing more after the value");
  }

  /** A value, or the opening of one down to its first scalar or empty bracket. */
  private value(): void {
    for (;;) {
      const first = this.skipSpace();
      if (first !== "{" && first !== "[") {
        this.scalar(first);
        return;
      }
      const close = first === "{" ? "}" : "]";
      if (this.open.length === this.maxDepth) this.fail(`nested deeper than ${this.maxDepth} levels`);
      this.open.push(close);
      this.at++;
      if (this.skipSpace() === close) {
        this.close();
        return;
      }
      if (close === "}") this.key();
    }
  }

  private close(): void {
    this.open.pop();
    this.at++;
  }

  private key(): void {
    if (this.skipSpace() !== '"') this.fail("want a name in double quotes");
    const start = this.at;
    this.string();
    const end = this.at;
    if (this.skipSpace() !== ":") this.fail('want ":" after the name');
    this.at++;
    if (this.open.length > 1) return;
    this.member = JSON.parse(this.text.slice(start, end)) as string;
    this.memberEnd = this.at + this.limitOf(this.member);
  }

  private scalar(first: string | undefined): void {
    if (first === '"') this.string();
    else if (!this.match(NUMBER) && !this.match(WORD)) this.fail("want a value");
  }

  private string(): void {
    for (this.at++; ; this.at++) {
      const code = this.text.charCodeAt(this.at);
      if (code === QUOTE) break;
      if (Number.isNaN(code)) this.fail("the string does not end");
      if (code < 0x20) this.fail("a control character in a string must be escaped");
      if (code !== BACKSLASH) continue;
      this.at++;
      if (!this.match(ESCAPE)) this.fail("not an escape sequence");
      this.at--;
    }
    this.at++;
  }

  private match(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    if (!pattern.test(this.text)) return false;
    this.at = pattern.lastIndex;
    return true;
  }

  /** The next character that is not white space; undefined at the end. */
  private skipSpace(): string | undefined {
    for (;;) {
      const next = this.text[this.at];
      if (next !== " " && next !== "\n" && next !== "\r" && next !== "\t") return next;
      this.at++;
    }
  }

  private fail(message: string): never {
    throw new Found(this.at, this.at >= this.text.length ? `${message}, but the text ends` : message, null);
  }
}
