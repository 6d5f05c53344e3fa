import { ConfigError } from "../errors.ts";
import { MAX_TOKENS } from "./json-fields.ts";
import type { AddedToken, TokenizerSpec } from "./spec.ts";
import { GGUF_PRE_TOKENIZERS } from "./split-patterns.ts";

/** The values of a GGUF file's `tokenizer.ggml.*` keys; undefined where the file has none. */
export interface GgufTokenizerMetadata {
  /** `tokenizer.ggml.model`; `gpt2` is byte-level BPE. */
  model: string;
  /** `tokenizer.ggml.pre` */
  pre?: string;
  tokens: readonly string[];
  /** `tokenizer.ggml.token_type`, one for each token (see GGUF_TOKEN_TYPES). */
  tokenTypes?: ArrayLike<number>;
  merges?: readonly string[];
  bosId?: number;
  eosId?: number;
  unkId?: number;
  /** `tokenizer.ggml.add_bos_token` */
  addBos?: boolean;
}

/** Values of `tokenizer.ggml.token_type`. Source: gguf-py constants, TokenType. */
export const GGUF_TOKEN_TYPES = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/**
 * Reads the vocabulary of a GGUF file. Control and user-defined tokens become added tokens, control ones special.
 * @throws ConfigError for another model than `gpt2`, a pre-tokenizer that is not known, and lists that do not fit
 */
export function specFromGguf(meta: GgufTokenizerMetadata): TokenizerSpec {
  const { tokens, tokenTypes, merges } = meta;
  const key = (name: string) => `tokenizer.ggml.${name}`;
  if (meta.model !== "gpt2")
    throw new ConfigError(key("model"), `${JSON.stringify(meta.model)} is not supported; want gpt2 (byte-level BPE)`);
  const known = Object.keys(GGUF_PRE_TOKENIZERS).join(", ");
  if (meta.pre === undefined)
    throw new ConfigError(key("pre"), `missing, so how text is split is not known; want one of ${known}`);
  const pre = Object.hasOwn(GGUF_PRE_TOKENIZERS, meta.pre) ? GGUF_PRE_TOKENIZERS[meta.pre] : undefined;
  if (pre === undefined)
    throw new ConfigError(
      key("pre"),
      `the pre-tokenizer ${JSON.stringify(meta.pre)} is not known; want one of ${known}`,
    );
  if (tokens.length > MAX_TOKENS)
    throw new ConfigError(key("tokens"), `${tokens.length} tokens; the limit is ${MAX_TOKENS}`);
  if (tokenTypes !== undefined && tokenTypes.length !== tokens.length)
    throw new ConfigError(key("token_type"), `${tokenTypes.length} types for ${tokens.length} tokens`);
  if (merges === undefined && meta.pre !== "kimi-k2") throw new ConfigError(key("merges"), "missing");

  const ordinary: (string | null)[] = [];
  const addedTokens: AddedToken[] = [];
  for (const [id, content] of tokens.entries()) {
    const type = tokenTypes?.[id] ?? GGUF_TOKEN_TYPES.normal;
    const special = type === GGUF_TOKEN_TYPES.control;
    const added = special || type === GGUF_TOKEN_TYPES.userDefined;
    ordinary.push(added || type === GGUF_TOKEN_TYPES.unused || content === "" ? null : content);
    if (added && content !== "")
      addedTokens.push({ id, content, special, lstrip: false, rstrip: false, singleWord: false, normalized: false });
  }
  const idOf = (id: number | undefined, name: string): number | null => {
    if (id === undefined) return null;
    if (!Number.isInteger(id) || id < 0 || id >= tokens.length)
      throw new ConfigError(key(name), `${id} is not an id of the ${tokens.length} tokens`);
    return id;
  };
  return {
    source: "tokenizer.ggml",
    tokens: ordinary,
    merges: merges === undefined ? { kind: "ids" } : { kind: "list", pairs: merges },
    ignoreMerges: pre.ignoreMerges,
    normalizer: pre.normalizer,
    preTokenizer: pre.steps,
    addedTokens,
    unkId: idOf(meta.unkId, "unknown_token_id"),
    bosId: idOf(meta.bosId, "bos_token_id"),
    eosId: idOf(meta.eosId, "eos_token_id"),
    addBos: meta.addBos ?? pre.addBos,
  };
}
