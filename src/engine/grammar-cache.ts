import type { Automaton } from "../grammar/automaton.ts";
import { Budget } from "../grammar/budget.ts";
import { automatonOf, type CompiledGrammar, type GrammarSource, withVocabulary } from "../grammar/compile-grammar.ts";
import { type TokenSource, Vocabulary } from "../grammar/vocabulary.ts";

/** Grammars that are kept. Each may hold about 20 MB. */
const MAX_KEPT = 8;

/** Automata that are kept from a check to the compiling. Each may hold 16 MB, most hold far less. */
const MAX_CHECKED = 8;

/** A grammar that is compiled, or is being compiled for all who wait for it. */
interface Entry {
  readonly grammar: Promise<CompiledGrammar>;
  readonly abort: AbortController;
  waiting: number;
}

/** The grammars of one model, each compiled once; those that were used last are kept. */
export class GrammarCache {
  readonly #tokens: TokenSource;
  /** By source; the one used last is the last. */
  readonly #entries = new Map<string, Entry>();
  /** By source, without reasoning: what was checked, the one used last the last. */
  readonly #checked = new Map<string, Automaton>();
  /** Made when the first grammar needs it. */
  #vocabulary: Promise<Vocabulary> | null = null;

  constructor(tokens: TokenSource) {
    this.#tokens = tokens;
  }

  /** Whether a source can be compiled. @throws GrammarError */
  check(source: GrammarSource): void {
    const key = keyOf(source);
    const automaton = (key === null ? undefined : this.#checked.get(key)) ?? automatonOf(source, new Budget());
    if (key === null) return;
    this.#checked.delete(key);
    this.#checked.set(key, automaton);
    for (const oldest of [...this.#checked.keys()].slice(0, -MAX_CHECKED)) this.#checked.delete(oldest);
  }

  /**
   * An abort ends the wait at once, and the compiling too when nobody else waits for it.
   * @throws GrammarError; what `signal` was aborted with
   */
  async get(source: GrammarSource, signal: AbortSignal): Promise<CompiledGrammar> {
    signal.throwIfAborted();
    const key = keyOf(source);
    if (key === null) return unlessAborted(this.#compile(source, signal), signal);
    const entry = this.#entries.get(key) ?? this.#add(source, key);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    for (const oldest of [...this.#entries.keys()].slice(0, -MAX_KEPT)) this.#entries.delete(oldest);
    entry.waiting++;
    try {
      return await unlessAborted(entry.grammar, signal);
    } catch (error) {
      if (entry.waiting === 1) this.#drop(key, entry);
      throw error;
    } finally {
      entry.waiting--;
    }
  }

  #add(source: GrammarSource, key: string): Entry {
    const abort = new AbortController();
    const grammar = this.#compile(source, abort.signal);
    const entry = { grammar, abort, waiting: 0 };
    grammar.catch(() => this.#drop(key, entry)); // the next one tries again
    return entry;
  }

  /** What cannot be compiled is refused before there is a vocabulary. */
  async #compile(source: GrammarSource, signal: AbortSignal): Promise<CompiledGrammar> {
    const { reasoning, ...rest } = source;
    const known = reasoning ? undefined : this.#checked.get(keyOf(rest) ?? "");
    const automaton = known ?? automatonOf(source, new Budget({ signal }));
    this.#vocabulary ??= Vocabulary.inSlices(this.#tokens);
    return withVocabulary(automaton, await this.#vocabulary, { signal });
  }

  #drop(key: string, entry: Entry): void {
    entry.abort.abort();
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }
}

/** Null for a schema that is nested too deep to be written, which the compiler refuses by name. */
function keyOf(source: GrammarSource): string | null {
  try {
    return JSON.stringify(source);
  } catch {
    return null;
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
