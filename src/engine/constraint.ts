/**
 * What may come next in an answer that must follow a grammar: one instance for each answer, told of every token. The
 * engine adds the end tokens, where `canEnd` says so; a constraint knows text only.
 */
export interface TokenConstraint {
  /** Sets bit t (bit t & 31 of word t >> 5) for each token that may come next. Valid until the next `accept`. */
  allowed(): Uint32Array;
  /** Takes the token that came. @returns false when it cannot follow */
  accept(token: number): boolean;
  /** Whether the text may end here. */
  readonly canEnd: boolean;
  /** Whether nothing may follow. */
  readonly mustEnd: boolean;
}
