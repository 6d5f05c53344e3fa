import { type CompiledGrammar, compileGrammar, type GrammarSource } from "../grammar/compile-grammar.ts";
import { type TokenSource, Vocabulary } from "../grammar/vocabulary.ts";

/** Grammars that are kept. Each may hold about 20 MB. */
const MAX_KEPT = 8;

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
  #vocabulary: Vocabulary | null = null;

  constructor(tokens: TokenSource) {
    this.#tokens = tokens;
  }

  /**
   * An abort ends the wait at once, and the compiling too when nobody else waits for it.
   * @throws GrammarError; what `signal` was aborted with
   */
  async get(source: GrammarSource, signal: AbortSignal): Promise<CompiledGrammar> {
    signal.throwIfAborted();
    this.#vocabulary ??= new Vocabulary(this.#tokens);
    const key = keyOf(source);
    if (key === null) return compileGrammar(source, this.#vocabulary, { signal });
    const entry = this.#entries.get(key) ?? this.#compile(source, key, this.#vocabulary);
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

  #compile(source: GrammarSource, key: string, vocabulary: Vocabulary): Entry {
    const abort = new AbortController();
    const grammar = compileGrammar(source, vocabulary, { signal: abort.signal });
    const entry = { grammar, abort, waiting: 0 };
    grammar.catch(() => this.#drop(key, entry)); // the next one tries again
    return entry;
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
