import { compileOniguruma } from "./oniguruma.ts";
import type { Pattern, SplitBehavior, SplitStep, TokenizerSpec } from "./spec.ts";

/**
 * The function that cuts a text into the pieces that are encoded on their own. Each step cuts every piece the step
 * before it left, seeing that piece alone: look-arounds do not reach into its neighbours.
 * Source: Hugging Face tokenizers, docs of Split and its behaviours; test/vectors/tokenizer holds its results.
 * @throws ConfigError for a pattern that cannot be compiled
 */
export function compilePreTokenizer(spec: Pick<TokenizerSpec, "preTokenizer" | "source">): (text: string) => string[] {
  const steps = spec.preTokenizer.map((step, i) => compileStep(step, `${spec.source}: pre_tokenizer[${i}]`));
  return (text) => {
    let pieces = [text];
    for (const step of steps) {
      const cut: string[] = [];
      for (const piece of pieces) step(piece, cut);
      pieces = cut;
    }
    return pieces;
  };
}

type Step = (piece: string, out: string[]) => void;

function compileStep(step: SplitStep, field: string): Step {
  if (step.kind === "prefixSpace")
    return (piece, out) => out.push(/^\p{White_Space}/u.test(piece) ? piece : ` ${piece}`);
  const next = matcher(step.pattern, field);
  const arrange = BEHAVIORS[step.behavior];
  if (step.behavior === "isolated") return (piece, out) => isolate(piece, next, out);
  return (piece, out) => {
    const cuts: Cut[] = [];
    let end = 0;
    for (let match = next(piece, 0); match !== null; match = next(piece, match.end)) {
      if (match.start > end) cuts.push({ start: end, end: match.start, match: step.invert });
      cuts.push({ ...match, match: !step.invert });
      end = match.end;
    }
    if (end < piece.length) cuts.push({ start: end, end: piece.length, match: step.invert });
    for (const cut of arrange(cuts)) out.push(piece.slice(cut.start, cut.end));
  };
}

interface Span {
  start: number;
  end: number;
}

interface Cut extends Span {
  match: boolean;
}

/** Finds the first match that is not empty at or after an offset. */
type Find = (text: string, from: number) => Span | null;

function matcher(pattern: Pattern, field: string): Find {
  if ("literal" in pattern) {
    const { literal } = pattern;
    return (text, from) => {
      const start = literal === "" ? -1 : text.indexOf(literal, from);
      return start < 0 ? null : { start, end: start + literal.length };
    };
  }
  const regex = compileOniguruma(pattern.regex, field);
  return (text, from) => {
    regex.lastIndex = from;
    for (let match = regex.exec(text); match !== null; match = regex.exec(text)) {
      if (match[0] !== "") return { start: match.index, end: match.index + match[0].length };
      regex.lastIndex += (text.codePointAt(regex.lastIndex) ?? 0) > 0xffff ? 2 : 1;
    }
    return null;
  };
}

// The common case, without the list of cuts: matches and what lies between them, each a piece (inverted or not).
function isolate(piece: string, next: Find, out: string[]): void {
  let end = 0;
  for (let match = next(piece, 0); match !== null; match = next(piece, end)) {
    if (match.start > end) out.push(piece.slice(end, match.start));
    out.push(piece.slice(match.start, match.end));
    end = match.end;
  }
  if (end < piece.length) out.push(end === 0 ? piece : piece.slice(end));
}

const BEHAVIORS: Readonly<Record<SplitBehavior, (cuts: Cut[]) => Cut[]>> = {
  isolated: (cuts) => cuts,
  removed: (cuts) => cuts.filter((cut) => !cut.match),
  contiguous: (cuts) => join(cuts, (left, right) => left.match === right.match),
  mergedWithPrevious: (cuts) => join(cuts, (left, right) => right.match && !left.match),
  mergedWithNext: (cuts) => join(cuts.reverse(), (right, left) => left.match && !right.match).reverse(),
};

/** Joins neighbours in list order; whether a cut joins the one before it depends on the two alone. */
function join(cuts: Cut[], joins: (earlier: Cut, later: Cut) => boolean): Cut[] {
  const joined: Cut[] = [];
  let before: Cut | null = null;
  for (const cut of cuts) {
    const last = joined.at(-1);
    if (before !== null && last !== undefined && joins(before, cut)) {
      last.start = Math.min(last.start, cut.start);
      last.end = Math.max(last.end, cut.end);
    } else joined.push({ ...cut });
    before = cut;
  }
  return joined;
}
