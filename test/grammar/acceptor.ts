import { Budget } from "../../src/grammar/budget.ts";
import { automatonOf, type GrammarSource } from "../../src/grammar/compile-grammar.ts";
import { type Configuration, StackAutomaton } from "../../src/grammar/stacks.ts";

/** Whether a text, or bytes, are what a source asks for. @throws GrammarError */
export function acceptor(source: GrammarSource): (text: string | Uint8Array) => boolean {
  const stacks = new StackAutomaton(automatonOf(source, new Budget()));
  return (text) => {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    let at: Configuration | null = stacks.start;
    for (const byte of bytes) {
      at = stacks.step(at, stacks.automaton.classOf[byte]!);
      if (at === null) return false;
    }
    return at.canEnd;
  };
}

export function schemaAcceptor(schema: unknown): (value: unknown) => boolean {
  const accepts = acceptor({ type: "json_schema", schema });
  return (value) => accepts(JSON.stringify(value));
}
