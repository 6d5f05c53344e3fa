import { ConfigError, FormatError } from "../errors.ts";
import { CODE_OF_BYTE } from "./byte-alphabet.ts";
import { MAX_TOKENS, objectOf } from "./json-fields.ts";
import type { AddedToken, TokenizerSpec } from "./spec.ts";
import { isolated, KIMI_SPLIT } from "./split-patterns.ts";
import { addedTokenOf } from "./tokenizer-json.ts";

/** Ids after the last rank that are added tokens. Source: tokenization_kimi.py, num_reserved_special_tokens. */
const RESERVED_TOKENS = 256;

export interface TiktokenOptions {
  /** For error messages (default `tiktoken.model`). */
  source?: string;
  /** `added_tokens_decoder` of tokenizer_config.json: added tokens by id. */
  addedTokensDecoder?: unknown;
  bosToken?: string | null;
  eosToken?: string | null;
  addBos?: boolean;
}

/**
 * Reads a tiktoken.model, as Kimi-K2 and Moonlight ship it: one token a line, base64 and its rank, which is its id. The
 * 256 ids that follow are added tokens: those that `addedTokensDecoder` names, and `<|reserved_token_ID|>`.
 * @throws FormatError for a line that is wrong (file and byte offset), ConfigError for the rest
 */
export function specFromTiktoken(model: string, options: TiktokenOptions = {}): TokenizerSpec {
  const source = options.source ?? "tiktoken.model";
  const tokens = readRanks(model, source);
  const addedTokens = readAdded(options.addedTokensDecoder ?? {}, tokens.length);
  const idOf = (token: string | null | undefined, field: string): number | null => {
    if (token === null || token === undefined) return null;
    const found = addedTokens.find((added) => added.content === token);
    if (found === undefined) throw new ConfigError(field, `${JSON.stringify(token)} is not among the added tokens`);
    return found.id;
  };
  return {
    source,
    tokens,
    merges: { kind: "ids" },
    ignoreMerges: true,
    normalizer: [],
    preTokenizer: [isolated(KIMI_SPLIT)],
    addedTokens,
    unkId: null,
    bosId: idOf(options.bosToken, "bos_token"),
    eosId: idOf(options.eosToken, "eos_token"),
    addBos: options.addBos ?? false,
  };
}

function readRanks(model: string, source: string): string[] {
  const tokens: string[] = [];
  let start = 0;
  while (start < model.length) {
    const newline = model.indexOf("\n", start);
    const end = newline < 0 ? model.length : newline;
    const line = model.slice(start, end).trimEnd();
    if (line !== "") {
      const match = /^([A-Za-z0-9+/]+={0,2}) (\d{1,9})$/.exec(line);
      const token = match === null ? null : decodeBase64(match[1]!);
      if (token === null) throw new FormatError(source, start, "want a token in base64, a space and its rank");
      if (Number(match![2]) !== tokens.length)
        throw new FormatError(
          source,
          start,
          `rank ${match![2]}; want ${tokens.length}, ranks are in order and without gaps`,
        );
      if (tokens.length >= MAX_TOKENS) throw new FormatError(source, start, `more than ${MAX_TOKENS} tokens`);
      tokens.push(token);
    }
    start = end + 1;
  }
  return tokens;
}

/** Base64 to the byte alphabet; null where it is not base64. */
function decodeBase64(text: string): string | null {
  try {
    return Array.from(atob(text), (char) => String.fromCharCode(CODE_OF_BYTE[char.charCodeAt(0)]!)).join("");
  } catch {
    return null;
  }
}

function readAdded(decoder: unknown, base: number): AddedToken[] {
  const field = "tokenizer_config.json: added_tokens_decoder";
  const named = new Map<number, AddedToken>();
  for (const [key, entry] of Object.entries(objectOf(decoder, field))) {
    const id = /^\d{1,9}$/.test(key) ? Number(key) : -1;
    if (id < base || id >= base + RESERVED_TOKENS)
      throw new ConfigError(
        `${field}[${key}]`,
        `want an id from ${base} to ${base + RESERVED_TOKENS - 1}, after the ranks`,
      );
    named.set(id, addedTokenOf(entry, id, `${field}[${key}]`));
  }
  return Array.from({ length: RESERVED_TOKENS }, (_, i) => {
    const content = `<|reserved_token_${base + i}|>`;
    const flags = { lstrip: false, rstrip: false, singleWord: false, normalized: false, special: true };
    return named.get(base + i) ?? { id: base + i, content, ...flags };
  });
}
