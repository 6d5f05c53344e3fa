import { describe, expect, it } from "vitest";
import { ConfigError } from "../errors.ts";
import { compileOniguruma } from "./oniguruma.ts";

function matches(pattern: string, text: string): string[] {
  return Array.from(text.matchAll(compileOniguruma(pattern, "field")), (match) => match[0]);
}

describe("compileOniguruma", () => {
  it("white space is Unicode's: with U+0085, without U+FEFF", () => {
    expect(matches("\\s", "\u0085\ufeff\u3000 \u200b")).toEqual(["\u0085", "\u3000", " "]);
    expect(matches("[^\\s]", "\u0085\ufeff")).toEqual(["\ufeff"]);
    expect(matches("[^\\S]", "\u0085\ufeff")).toEqual(["\u0085"]);
  });

  it("digits, words and word ends are Unicode's", () => {
    expect(matches("\\d+", "12٣x½")).toEqual(["12٣"]);
    expect(matches("\\w+", "né_2 дa-x")).toEqual(["né_2", "дa", "x"]);
    expect(matches("\\bд", "д ад")).toEqual(["д"]);
    expect(matches("[^\\W]+", "né-x")).toEqual(["né", "x"]);
  });

  it("only U+000A ends a line", () => {
    expect(matches("a$", "a\na\r\na")).toEqual(["a", "a"]);
    expect(matches("^a", "a\ra\na")).toEqual(["a", "a"]);
    expect(matches(".+", "a\r\u2028b\nc")).toEqual(["a\r\u2028b", "c"]);
    expect(matches("\\Aa|a\\z", "aaa")).toEqual(["a", "a"]);
  });

  it("ignores case with Unicode folding, in literals and in classes", () => {
    expect(matches("(?i:'s|'ll)", "'S 'ſ 'lL 's")).toEqual(["'S", "'ſ", "'lL", "'s"]);
    expect(matches("(?i:[a-z]+)x", "aBx Kx \u212ax")).toEqual(["aBx", "Kx", "\u212ax"]);
    expect(matches("(?i:é)a", "Éa ÉA")).toEqual(["Éa"]);
  });

  it("intersects and nests classes", () => {
    expect(matches("[\\p{L}\\p{M}&&[^\\p{Han}]]+", "ab漢c")).toEqual(["ab", "c"]);
    expect(matches("[^a-c&&[b-d]]", "abcd")).toEqual(["a", "d"]);
    expect(matches("[a[0-9]-]+", "a1-b")).toEqual(["a1-"]);
  });

  it("takes what a class takes literally", () => {
    expect(matches("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]+", "a~}[]-^|b")).toEqual(["~}[]-^|"]);
    expect(matches("[]a]+", "]a")).toEqual(["]a"]);
    expect(matches("x{y}", "x{y}")).toEqual(["x{y}"]);
  });

  it("counts, and knows the form without a lower bound", () => {
    expect(matches("a{2}|b{1,}|c{,2}d", "aab bbb ccd cccd")).toEqual(["aa", "b", "bbb", "ccd", "ccd"]);
    expect(matches("a+?b??", "aab")).toEqual(["a", "a"]);
  });

  it("atomic groups and possessive quantifiers do not give back", () => {
    expect(matches("(?>a+)a|b", "aab")).toEqual(["b"]);
    expect(matches("a++b|c", "aabc")).toEqual(["aab", "c"]);
    expect(matches("[^\\r\\n\\p{L}]?+\\p{L}+", " ab")).toEqual([" ab"]);
  });

  it("knows properties by short and long name, inverted, and scripts", () => {
    expect(matches("\\p{Lu}\\p{^Lu}\\P{Letter}", "Aa1 AAa")).toEqual(["Aa1"]);
    expect(matches("\\pN+", "12½")).toEqual(["12½"]);
    expect(matches("\\p{Hiragana}+", "ひらカ")).toEqual(["ひら"]);
  });

  const refused: [string, RegExp][] = [
    ["(a+)+b", /unlimited repetition inside another/],
    ["(?:a*b*)*", /unlimited repetition inside another/],
    ["a".repeat(9000), /the limit is 8192/],
    ["(".repeat(50) + ")".repeat(50), /nested more than 32/],
    ["[".repeat(50) + "]".repeat(50), /nested more than 32/],
    ["a{5000}", /a count over 1000/],
    ["(?:(?:a{1000}){1000})", /more than 20000 parts/],
    ["a{3,2}", /the count/],
    ["\\p{Nonsense}", /unknown property Nonsense/],
    ["\\p{}", /property/],
    ["\\k<x>", /the escape \\k/],
    ["(a)\\1", /the escape \\1/],
    ["(?<name>a)", /the group/],
    ["(?R)", /the group/],
    ["[[:alpha:]]", /POSIX/],
    ["(a", /missing \)/],
    ["a)", /unmatched \)/],
    ["[a", /unexpected end/],
    ["\\", /unexpected end/],
    ["*a", /without anything to repeat/],
    ["[b-a]", /a range/],
    ["[a-\\d]", /a range/],
    ["\\x{110000}", /the character/],
    ["\\xg", /the escape \\x/],
  ];
  for (const [pattern, reason] of refused)
    it(`refuses ${pattern.length > 20 ? `${pattern.slice(0, 20)}...` : pattern}`, () => {
      expect(() => compileOniguruma(pattern, "the.field")).toThrow(ConfigError);
      expect(() => compileOniguruma(pattern, "the.field")).toThrow(reason);
      expect(() => compileOniguruma(pattern, "the.field")).toThrow(/^the\.field: /);
    });
});
