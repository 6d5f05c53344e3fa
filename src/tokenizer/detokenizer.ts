/**
 * Turns token ids into text as they come. A character whose bytes are spread over several tokens appears once the last
 * of them is there; bytes that can no longer become a character appear as U+FFFD at once.
 */
export class Detokenizer {
  readonly #bytesOf: (id: number) => Uint8Array | null;
  // ignoreBOM: a U+FEFF that the model writes is text, also at the start.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /** @param bytesOf bytes of a token; null for one that gives no text */
  constructor(bytesOf: (id: number) => Uint8Array | null) {
    this.#bytesOf = bytesOf;
  }

  /** The text that became certain with this token; often empty inside a multi-byte character. */
  push(id: number): string {
    const bytes = this.#bytesOf(id);
    return bytes === null ? "" : this.#decoder.decode(bytes, { stream: true });
  }

  /** What is left of a character cut off at the end, as U+FFFD. The stream can be used again afterwards. */
  end(): string {
    return this.#decoder.decode();
  }
}
