/** The breakers that DRY's author proposes. */
export const DRY_BREAKER_STRINGS: readonly string[] = ["\n", ":", '"', "*"];

/** What is needed of a tokenizer to find the tokens of a string. */
export interface BreakerVocabulary {
  readonly size: number;
  /** Text of one token. */
  textOf(token: number): string;
  /** Ids of a text, without BOS. */
  encode(text: string): readonly number[];
}

/**
 * DRY's string breakers as token sequences: every token whose text holds the string, and the string's own tokens when
 * it takes several. It reads the whole vocabulary once; keep the result when the strings are the same for all requests.
 */
export function breakerSequences(strings: readonly string[], vocabulary: BreakerVocabulary): number[][] {
  const sequences: number[][] = [];
  for (let token = 0; token < vocabulary.size; token++) {
    const text = vocabulary.textOf(token);
    if (strings.some((string) => text.includes(string))) sequences.push([token]);
  }
  for (const string of strings) {
    const tokens = vocabulary.encode(string);
    if (tokens.length > 1) sequences.push([...tokens]);
  }
  return sequences;
}
