import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_STOP_LENGTH, MAX_STOP_STRINGS, StopMatcher, validateStopStrings } from "./stop-strings.ts";

function run(stops: readonly string[], pieces: readonly string[]) {
  const matcher = new StopMatcher(stops);
  let text = "";
  for (const [i, piece] of pieces.entries()) {
    const push = matcher.push(piece);
    text += push.text;
    if (push.stop !== null) return { text, stop: push.stop, rest: push.rest + pieces.slice(i + 1).join("") };
  }
  return { text: text + matcher.flush(), stop: null, rest: "" };
}

/** The definition: the earliest end, and of those the earliest start. */
function naive(stops: readonly string[], text: string) {
  for (let end = 1; end <= text.length; end++) {
    const ending = stops.filter((stop) => text.slice(0, end).endsWith(stop)).sort((a, b) => b.length - a.length);
    const stop = ending[0];
    if (stop !== undefined) return { text: text.slice(0, end - stop.length), stop, rest: text.slice(end) };
  }
  return { text, stop: null, rest: "" };
}

const word = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 6 });
const pieces = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 5 }), { maxLength: 12 });

describe("StopMatcher", () => {
  it("gives what a search in the whole text gives, wherever the pieces end", () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 4 }), pieces, (stops, parts) => {
        expect(run(stops, parts)).toEqual(naive(stops, parts.join("")));
      }),
      { numRuns: 3000, seed: 1 },
    );
  });

  it("holds back only what may still become a stop string", () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), pieces, (stops, parts) => {
        const matcher = new StopMatcher(stops);
        let seen = "";
        let out = "";
        for (const part of parts) {
          const push = matcher.push(part);
          if (push.stop !== null) return;
          seen += part;
          out += push.text;
          const held = seen.slice(out.length);
          const prefixes = stops.flatMap((stop) => [...stop].map((_, i) => stop.slice(0, i)));
          const longest = Math.max(0, ...prefixes.filter((p) => seen.endsWith(p)).map((p) => p.length));
          expect(held.length).toBe(longest);
        }
      }),
      { numRuns: 1000, seed: 2 },
    );
  });

  it("reports which string matched and what followed it", () => {
    const matcher = new StopMatcher(["END", "\n\n"]);
    expect(matcher.push("one\n")).toEqual({ text: "one", stop: null, rest: "" });
    expect(matcher.push("two E")).toEqual({ text: "\ntwo ", stop: null, rest: "" });
    expect(matcher.push("NDtail")).toEqual({ text: "", stop: "END", rest: "tail" });
    expect(matcher.push("more")).toEqual({ text: "", stop: null, rest: "more" });
    expect(matcher.flush()).toBe("");
  });

  it("lets go of a failed partial match but keeps its own suffix", () => {
    const matcher = new StopMatcher(["aab"]);
    expect(matcher.push("aa").text).toBe("");
    expect(matcher.push("a").text).toBe("a");
    expect(matcher.push("b")).toEqual({ text: "", stop: "aab", rest: "" });
  });

  it("takes the longer of two strings that end together, and else the first to be complete", () => {
    expect(run(["b", "ab"], ["xab"])).toEqual({ text: "x", stop: "ab", rest: "" });
    expect(run(["abcd", "bc"], ["abcd"])).toEqual({ text: "a", stop: "bc", rest: "d" });
  });

  it("gives everything through at once without stop strings", () => {
    expect(new StopMatcher([]).push("any text")).toEqual({ text: "any text", stop: null, rest: "" });
  });

  it("handles a long text that almost matches at every character", () => {
    const stop = `${"a".repeat(MAX_STOP_LENGTH - 1)}b`;
    const text = "a".repeat(200_000);
    expect(run(Array(MAX_STOP_STRINGS).fill(stop), [text, "c"])).toEqual({ text: `${text}c`, stop: null, rest: "" });
  });
});

describe("validateStopStrings", () => {
  it.each([
    ["a list that is too long", Array(MAX_STOP_STRINGS + 1).fill("x")],
    ["a string that is too long", ["x".repeat(MAX_STOP_LENGTH + 1)]],
    ["an empty string", ["x", ""]],
    ["half a surrogate pair", ["\ud83d"]],
    ["something else than strings", [1]],
    ["something else than a list", "x"],
  ])("refuses %s and names the field", (_, stops) => {
    expect(() => validateStopStrings(stops as string[])).toThrow(/^stop: /);
  });

  it("accepts lists up to the limits", () => {
    const stops = Array(MAX_STOP_STRINGS).fill("😀".repeat(MAX_STOP_LENGTH / 2));
    expect(validateStopStrings(stops)).toEqual(stops);
    expect(validateStopStrings([])).toEqual([]);
  });
});
