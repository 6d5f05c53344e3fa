import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { acceptor } from "../../test/grammar/acceptor.ts";
import { GrammarError } from "./grammar-error.ts";

const gbnf = (grammar: string) => acceptor({ type: "gbnf", grammar });

/** Chess, as in llama.cpp's examples, and lists as in its README. */
const CHESS = `# Specifies chess moves as a list in algebraic notation
root   ::= "1. " move " " move "\\n" ([1-9] [0-9]? ". " move " " move "\\n")+
move   ::= (pawn | nonpawn | castle) [+#]?

# piece type, optional file/rank, optional capture, dest file & rank
nonpawn ::= [NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8]
pawn   ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBKQR])?
castle ::= "O-O" "-O"?
`;

describe("a GBNF grammar", () => {
  it("of chess takes a game", () => {
    const accepts = gbnf(CHESS);
    expect(accepts("1. e4 e5\n2. Nf3 Nc6\n3. Bb5 a6\n10. O-O-O Qxd1+\n")).toBe(true);
    expect(accepts("1. e4 e5\n2. Nf3\n")).toBe(false);
  });

  it.each([
    ['root ::= "a"\n  | "b"', ["a"], ["b"], 'line 2: want the name of a rule, got "|"'],
    ['root ::= "a" |\n  "b"', ["a", "b"], ["", "ab"], null],
    ['root ::= (\n "a"\n "b" # why\n)+', ["ab", "abab"], ["a"], null],
    ['root ::= item{2,3} "\\n"\nitem ::= "- " [^\\n]+ ";"', ["- x;- é;\n"], ["- x;\n"], null],
    ["root ::= [\\]\\-a\\\\]", ["]", "a", "\\"], ["b"], "unknown escape \\-"],
    ['root ::= "\\x41\\u00e9\\U0001F600"', ["Aé😀"], ["A"], null],
    ['root ::= . "!"', ["é!", "\n!"], ["!"], null],
    ['root ::= "(" root ")" | ""', ["", "(())"], ["(()", "())"], null],
    ['root ::= "a"{3}{2}', ["aaaaaa"], ["aaa"], null],
    ["root ::= [a-]", ["a", "-"], ["b"], null],
    ['root::=x"b"\nx::=', ["b"], ["a"], null],
  ])("%s", (grammar, good, bad, refused) => {
    if (refused !== null) return expect(() => gbnf(grammar)).toThrow(refused);
    const accepts = gbnf(grammar);
    for (const text of good) expect(accepts(text), text).toBe(true);
    for (const text of bad) expect(accepts(text), text).toBe(false);
  });

  it.each([
    ['x ::= "a"', "has no rule `root`"],
    ['root ::= "a" b\n', "line 1: rule b is not defined"],
    ['root ::= "a"\nroot ::= "b"', "line 2: rule root is defined twice"],
    ['root ::= "a', 'line 1: " is missing'],
    ["root ::= [a", "line 1: ] is missing"],
    ['root ::= ("a"', "( without )"],
    ['root ::= "a")', 'unexpected ")"'],
    ['root ::= "a"{3,1}', "out of order"],
    ['root ::= "a"{x}', "want {n}"],
    ['root ::= "a"{20000}', "more than 10000"],
    ["root ::= [z-a]", "out of order"],
    ["root = 1", "want ::= behind root"],
    ["root ::= <[12]>", "tokens"],
    ['root ::= a\na ::= b "x"\nb ::= root', "begins with itself"],
    ["root ::= root", "begins with itself"],
    ['root ::= "a" root', "no text can match"],
  ])("refuses %s", (grammar, says) => {
    expect(() => gbnf(grammar)).toThrow(says);
    expect(() => gbnf(grammar)).toThrow(GrammarError);
  });

  it("never fails but by a GrammarError, whatever it is", () => {
    const pieces = [
      "root",
      "a",
      "b",
      " ::= ",
      "::=",
      "\n",
      " ",
      "|",
      "(",
      ")",
      "[a-z]",
      "[^",
      "]",
      '"',
      '"x"',
      "*",
      "+",
      "?",
      "{2}",
      "{1,9}",
      "#",
      ".",
      "\\",
      "\\n",
      "<",
      "é",
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 24 }), fc.boolean(), (parts, begun) => {
        try {
          gbnf((begun ? "root ::= " : "") + parts.join(""))("ax");
        } catch (error) {
          expect(error).toBeInstanceOf(GrammarError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
