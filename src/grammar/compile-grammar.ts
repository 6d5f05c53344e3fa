import { nextTurn } from "../next-turn.ts";
import { type AnswerForm, formExpr } from "./answer-form.ts";
import { type Automaton, buildAutomaton } from "./automaton.ts";
import { Budget } from "./budget.ts";
import { EMPTY, Grammar, sequence } from "./expr.ts";
import { type JsonRules, jsonRules } from "./json-text.ts";
import { type Reasoning, reasoningExpr } from "./marker.ts";
import { GrammarMatcher } from "./matcher.ts";
import { StackAutomaton } from "./stacks.ts";
import { TokenMasks } from "./token-masks.ts";
import { type ToolCalls, toolCallsExpr } from "./tool-calls.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** What an answer must be, and whether reasoning comes before it. Default: none does. */
export type GrammarSource = (AnswerForm | ({ readonly type: "tool_calls" } & ToolCalls)) & {
  readonly reasoning?: Reasoning | null;
};

/** States whose tokens are found at once, so that no answer waits for them. */
const PREPARED = 64;

/**
 * Compiles what an answer must be for a vocabulary. The result serves any number of answers, also at once; it keeps at
 * most about 20 MB of masks. Takes at most about 100 ms before the first return to the event loop, and then a few
 * milliseconds at a time.
 * @throws GrammarError (status 400) for what is wrong, unsupported or beyond the limits; what `signal` was aborted with
 */
export async function compileGrammar(
  source: GrammarSource,
  vocabulary: Vocabulary,
  options: { signal?: AbortSignal } = {},
): Promise<CompiledGrammar> {
  return withVocabulary(automatonOf(source, new Budget(options)), vocabulary, options);
}

/** The second half of `compileGrammar`, for an automaton that is there. */
export async function withVocabulary(
  automaton: Automaton,
  vocabulary: Vocabulary,
  { signal }: { signal?: AbortSignal } = {},
): Promise<CompiledGrammar> {
  signal?.throwIfAborted();
  const compiled = new CompiledGrammar(automaton, vocabulary);
  for (const state of costlyStates(automaton).slice(0, PREPARED)) {
    await nextTurn();
    signal?.throwIfAborted();
    compiled.prepare(state);
  }
  return compiled;
}

/** The automaton of a source, without a vocabulary. @throws GrammarError */
export function automatonOf(source: GrammarSource, budget: Budget): Automaton {
  return buildAutomaton(grammarOf(source, budget), budget);
}

function grammarOf(source: GrammarSource, budget: Budget): Grammar {
  const grammar = new Grammar();
  let rules: JsonRules | null = null;
  const json = () => {
    rules ??= jsonRules(grammar);
    return rules;
  };
  const reasoning = source.reasoning ? reasoningExpr(source.reasoning, budget) : EMPTY;
  const answer =
    source.type === "tool_calls"
      ? toolCallsExpr(source, grammar, json, budget)
      : formExpr(source, grammar, json, budget);
  grammar.start = sequence(reasoning, answer);
  return grammar;
}

/** States that read letters of many scripts: those walk over most of the vocabulary, a few milliseconds each. */
function costlyStates({ states, table, classes, classOf }: Automaton): number[] {
  const letters = Array.from(new TextEncoder().encode("etaoinsrhl"), (letter) => classOf[letter]!);
  letters.push(...[0xc3, 0xd0, 0xe4].map((lead) => classOf[lead]!));
  const costly: number[] = [];
  for (let state = 0; state < states; state++) {
    if (letters.every((symbol) => table[state * classes + symbol]! >= 0)) costly.push(state);
  }
  return costly;
}

/** A grammar for one vocabulary. */
export class CompiledGrammar {
  readonly #stacks: StackAutomaton;
  readonly #masks: TokenMasks;
  readonly #vocabulary: Vocabulary;

  constructor(automaton: Automaton, vocabulary: Vocabulary) {
    this.#stacks = new StackAutomaton(automaton);
    this.#masks = new TokenMasks(this.#stacks, vocabulary);
    this.#vocabulary = vocabulary;
  }

  /** A matcher at the beginning of the text. */
  start(): GrammarMatcher {
    return new GrammarMatcher(this.#stacks, this.#masks, this.#vocabulary);
  }

  /** Finds what a state's tokens do before it is asked for. */
  prepare(state: number): void {
    this.#masks.prepare(state);
  }
}
