import { type Automaton, buildAutomaton } from "./automaton.ts";
import { Budget } from "./budget.ts";
import { choice, Grammar, text } from "./expr.ts";
import { gbnfGrammar } from "./gbnf.ts";
import { GrammarError } from "./grammar-error.ts";
import { jsonObjectGrammar, schemaGrammar } from "./json-schema.ts";
import { GrammarMatcher } from "./matcher.ts";
import { regexMatching } from "./regex.ts";
import { StackAutomaton } from "./stacks.ts";
import { TokenMasks } from "./token-masks.ts";
import { type ToolCalls, toolCallsGrammar } from "./tool-calls.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** What an answer must be. */
export type GrammarSource =
  /** A JSON value that the schema allows, of draft 2020-12. */
  | { readonly type: "json_schema"; readonly schema: unknown }
  /** Any JSON object. */
  | { readonly type: "json_object" }
  /** What an ECMAScript regular expression matches as a whole. */
  | { readonly type: "regex"; readonly pattern: string }
  /** One of these texts. */
  | { readonly type: "choice"; readonly choices: readonly string[] }
  /** What llama.cpp's GBNF allows. */
  | { readonly type: "gbnf"; readonly grammar: string }
  /** Text with calls of tools in it, or calls only. */
  | ({ readonly type: "tool_calls" } & ToolCalls);

const MAX_CHOICES = 10_000;
const MAX_CHOICE_CHARACTERS = 256 * 1024;

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
  { signal }: { signal?: AbortSignal } = {},
): Promise<CompiledGrammar> {
  const automaton = automatonOf(source, new Budget({ signal }));
  const compiled = new CompiledGrammar(automaton, vocabulary);
  for (const state of costlyStates(automaton).slice(0, PREPARED)) {
    await turn();
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
  switch (source.type) {
    case "json_schema":
      return schemaGrammar(source.schema, budget);
    case "json_object":
      return jsonObjectGrammar();
    case "gbnf":
      return gbnfGrammar(source.grammar, budget);
    case "tool_calls":
      return toolCallsGrammar(source, budget);
    case "regex":
      return starting(regexMatching(source.pattern, "", budget));
    case "choice":
      return starting(choice(...validChoices(source.choices).map(text)));
  }
}

function starting(start: Grammar["start"]): Grammar {
  const grammar = new Grammar();
  grammar.start = start;
  return grammar;
}

function validChoices(choices: readonly string[]): readonly string[] {
  if (choices.length === 0 || choices.length > MAX_CHOICES) {
    throw new GrammarError("", `want 1 to ${MAX_CHOICES} choices, got ${choices.length}`);
  }
  const characters = choices.reduce((sum, option) => sum + option.length, 0);
  if (characters > MAX_CHOICE_CHARACTERS) {
    throw new GrammarError("", `the choices have ${characters} characters; the limit is ${MAX_CHOICE_CHARACTERS}`);
  }
  return choices;
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

/** Lets other work of the event loop go first. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
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
