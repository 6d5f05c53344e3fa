/**
 * A tokenizer as plain data: what tokenizer.json, GGUF metadata and tiktoken.model are all turned into, so that one
 * implementation gives the same ids whatever file a vocabulary came from.
 */
export interface TokenizerSpec {
  /** Where this came from, for error messages: a file name or `tokenizer.ggml`. */
  readonly source: string;
  /**
   * Ordinary tokens by id, spelled in the byte alphabet of byte-alphabet.ts (one character a byte); null where the id
   * has no ordinary token. Added tokens stand in `addedTokens` only.
   */
  readonly tokens: readonly (string | null)[];
  readonly merges: Merges;
  /** True: a piece that is a token as a whole is that token, whatever the merges say (tiktoken, Llama 3). */
  readonly ignoreMerges: boolean;
  readonly normalizer: readonly NormalizerStep[];
  readonly preTokenizer: readonly SplitStep[];
  readonly addedTokens: readonly AddedToken[];
  /** The id for bytes the vocabulary has no token for; null: such text is refused with a TextError. */
  readonly unkId: number | null;
  readonly bosId: number | null;
  readonly eosId: number | null;
  /** Whether a raw prompt (no chat template) starts with `bosId`. `encode` itself never adds it. */
  readonly addBos: boolean;
}

/**
 * Which neighbours may become one token, and in which order.
 * `list`: pairs by rank, each `"left right"` or `[left, right]`, spelled as in `tokens`.
 * `ids`: any two tokens whose joint bytes are a token; the lowest id first (tiktoken).
 */
export type Merges =
  | { readonly kind: "list"; readonly pairs: readonly (string | readonly [string, string])[] }
  | { readonly kind: "ids" };

/** A token that is found in the text before anything else happens to it. Fields as in tokenizer.json. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Left out by `decode(ids, { skipSpecial: true })`. */
  readonly special: boolean;
  /** Takes the white space before (after) it along. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Only where no letter, digit or underscore touches it. */
  readonly singleWord: boolean;
  /** Searched for after normalising, and only where no `normalized: false` token matched. */
  readonly normalized: boolean;
}

export type NormalizerStep =
  | { readonly kind: "form"; readonly form: "NFC" | "NFD" | "NFKC" | "NFKD" }
  | { readonly kind: "replace"; readonly pattern: Pattern; readonly content: string };

/** `regex` is in Oniguruma's (Ruby) syntax, as in tokenizer.json; see oniguruma.ts. */
export type Pattern = { readonly regex: string } | { readonly literal: string };

/** What happens to the text a pattern matches; names as in Hugging Face tokenizers. */
export type SplitBehavior = "isolated" | "removed" | "mergedWithPrevious" | "mergedWithNext" | "contiguous";

export type SplitStep =
  | {
      readonly kind: "split";
      readonly pattern: Pattern;
      readonly behavior: SplitBehavior;
      /** True: the text between the matches is treated as the matches are, and the other way round. */
      readonly invert: boolean;
    }
  /** A space is put before every piece that does not start with white space. */
  | { readonly kind: "prefixSpace" };
