import { ConfigError } from "../errors.ts";
import {
  arrayOf,
  booleanOf,
  isTokenId,
  type JsonObject,
  MAX_TOKENS,
  objectOf,
  stringOf,
  tokenIdOf,
} from "./json-fields.ts";
import type { AddedToken, Merges, NormalizerStep, Pattern, SplitBehavior, SplitStep, TokenizerSpec } from "./spec.ts";
import { GPT2_SPLIT, isolated } from "./split-patterns.ts";

/** Limits of nested and long Sequence steps; released files have one level and up to seven steps. */
const MAX_DEPTH = 8;
const MAX_STEPS = 32;

/** What tokenizer.json leaves to tokenizer_config.json. */
export interface TokenizerJsonOptions {
  /** For error messages (default `tokenizer.json`). */
  source?: string;
  /** The texts of the BOS and EOS tokens (default none). */
  bosToken?: string | null;
  eosToken?: string | null;
  addBos?: boolean;
}

/**
 * Reads a parsed tokenizer.json of Hugging Face tokenizers with a byte-level BPE model.
 * @throws ConfigError naming the field: of the wrong type, out of range, or of a kind that is not supported
 */
export function specFromTokenizerJson(json: unknown, options: TokenizerJsonOptions = {}): TokenizerSpec {
  const source = options.source ?? "tokenizer.json";
  const at = (field: string) => `${source}: ${field}`;
  const root = objectOf(json, source);
  const model = objectOf(root.model, at("model"));
  checkModel(model, at);
  const addedTokens = readAddedTokens(root.added_tokens ?? [], at("added_tokens"));
  const preTokenizer = readPreTokenizer(root.pre_tokenizer, at("pre_tokenizer"));
  const normalizer = readNormalizer(root.normalizer, at("normalizer"));
  if (!preTokenizer.byteLevel && !normalizer.byteLevel)
    throw new ConfigError(at("pre_tokenizer"), "no ByteLevel step; only byte-level BPE vocabularies are supported");
  const vocabulary = objectOf(model.vocab, at("model.vocab"));
  const idOf = (token: string | null | undefined, field: string): number | null => {
    if (token === null || token === undefined) return null;
    const own = Object.hasOwn(vocabulary, token) ? vocabulary[token] : undefined;
    const id = addedTokens.find((t) => t.content === token)?.id ?? own;
    if (id === undefined) throw new ConfigError(field, `the token ${JSON.stringify(token)} is not in ${source}`);
    return tokenIdOf(id, at("model.vocab"));
  };
  const unk = model.unk_token ?? null;
  return {
    source,
    tokens: readVocabulary(vocabulary, addedTokens, at("model.vocab")),
    merges: readMerges(model.merges, at("model.merges")),
    ignoreMerges: booleanOf(model.ignore_merges, at("model.ignore_merges"), false),
    normalizer: normalizer.steps,
    preTokenizer: preTokenizer.steps,
    addedTokens,
    unkId: unk === null ? null : idOf(stringOf(unk, at("model.unk_token")), at("model.unk_token")),
    bosId: idOf(options.bosToken, "bos_token"),
    eosId: idOf(options.eosToken, "eos_token"),
    addBos: options.addBos ?? false,
  };
}

function checkModel(model: JsonObject, at: (field: string) => string): void {
  const type = model.type ?? "BPE"; // files of before 0.9 have no type, and were BPE with merges
  if (type !== "BPE") throw new ConfigError(at("model.type"), `${JSON.stringify(type)} is not supported; want BPE`);
  for (const field of ["dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"]) {
    const value = model[field];
    if (value !== undefined && value !== null && value !== false && value !== "" && value !== 0)
      throw new ConfigError(at(`model.${field}`), `${JSON.stringify(value)} is not supported`);
  }
}

function readVocabulary(vocabulary: JsonObject, added: readonly AddedToken[], field: string): (string | null)[] {
  const entries = Object.entries(vocabulary);
  if (entries.length > MAX_TOKENS) throw new ConfigError(field, `${entries.length} tokens; the limit is ${MAX_TOKENS}`);
  let size = 0;
  for (const [token, id] of entries) {
    if (!isTokenId(id))
      tokenIdOf(id, `${field}[${JSON.stringify(token)}]`); // throws; the name is only made when it does
    else if (id >= size) size = id + 1;
  }
  const tokens = new Array<string | null>(size).fill(null);
  for (const [token, id] of entries) {
    const other = tokens[id as number];
    if (other !== null)
      throw new ConfigError(field, `${JSON.stringify(other)} and ${JSON.stringify(token)} have the same id ${id}`);
    tokens[id as number] = token;
  }
  for (const token of added) {
    const own = tokens[token.id] ?? null;
    if (own !== null && own !== token.content)
      throw new ConfigError(
        field,
        `id ${token.id} is ${JSON.stringify(own)}, but added token ${JSON.stringify(token.content)}`,
      );
    if (token.id < size) tokens[token.id] = null;
  }
  return tokens;
}

function readMerges(value: unknown, field: string): Merges {
  const pairs = arrayOf(value, field);
  if (pairs.length > 2 * MAX_TOKENS)
    throw new ConfigError(field, `${pairs.length} merges; the limit is ${2 * MAX_TOKENS}`);
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i];
    const good =
      typeof pair === "string"
        ? pair.includes(" ", 1)
        : Array.isArray(pair) && pair.length === 2 && typeof pair[0] === "string" && typeof pair[1] === "string";
    if (!good) throw new ConfigError(`${field}[${i}]`, 'want two tokens: "left right" or [left, right]');
  }
  return { kind: "list", pairs: pairs as (string | [string, string])[] };
}

/** @throws ConfigError for two added tokens with one id or one text */
export function readAddedTokens(value: unknown, field: string): AddedToken[] {
  const list = arrayOf(value, field);
  const ids = new Set<number>();
  const contents = new Set<string>();
  return list.map((entry, i) => {
    const at = `${field}[${i}]`;
    const token = addedTokenOf(entry, objectOf(entry, at).id, at);
    if (ids.has(token.id)) throw new ConfigError(at, `id ${token.id} is taken by another added token`);
    if (contents.has(token.content)) throw new ConfigError(at, `${JSON.stringify(token.content)} is there twice`);
    ids.add(token.id);
    contents.add(token.content);
    return token;
  });
}

/** One entry of `added_tokens`, or of tokenizer_config.json's `added_tokens_decoder`, where the id is the key. */
export function addedTokenOf(entry: unknown, id: unknown, field: string): AddedToken {
  const object = objectOf(entry, field);
  const special = booleanOf(object.special, `${field}.special`, false);
  const content = stringOf(object.content, `${field}.content`);
  if (content === "") throw new ConfigError(`${field}.content`, "an added token without text");
  return {
    id: tokenIdOf(id, `${field}.id`),
    content,
    special,
    lstrip: booleanOf(object.lstrip, `${field}.lstrip`, false),
    rstrip: booleanOf(object.rstrip, `${field}.rstrip`, false),
    singleWord: booleanOf(object.single_word, `${field}.single_word`, false),
    normalized: booleanOf(object.normalized, `${field}.normalized`, !special),
  };
}

interface Steps<T> {
  steps: T[];
  byteLevel: boolean;
}

function readNormalizer(value: unknown, field: string, depth = 0): Steps<NormalizerStep> {
  if (value === undefined || value === null) return { steps: [], byteLevel: false };
  const step = objectOf(value, field);
  const type = stringOf(step.type, `${field}.type`);
  switch (type) {
    case "Sequence":
      return sequence(step.normalizers, `${field}.normalizers`, depth, readNormalizer);
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return { steps: [{ kind: "form", form: type }], byteLevel: false };
    case "Replace": {
      const pattern = readPattern(step.pattern, `${field}.pattern`);
      return {
        steps: [{ kind: "replace", pattern, content: stringOf(step.content, `${field}.content`) }],
        byteLevel: false,
      };
    }
    default:
      throw new ConfigError(`${field}.type`, `the normalizer ${type} is not supported`);
  }
}

function readPreTokenizer(value: unknown, field: string, depth = 0): Steps<SplitStep> {
  if (value === undefined || value === null) return { steps: [], byteLevel: false };
  const step = objectOf(value, field);
  const type = stringOf(step.type, `${field}.type`);
  switch (type) {
    case "Sequence":
      return sequence(step.pretokenizers, `${field}.pretokenizers`, depth, readPreTokenizer);
    case "Split":
      return {
        steps: [
          {
            kind: "split",
            pattern: readPattern(step.pattern, `${field}.pattern`),
            behavior: readBehavior(step.behavior, `${field}.behavior`),
            invert: booleanOf(step.invert, `${field}.invert`, false),
          },
        ],
        byteLevel: false,
      };
    case "ByteLevel": {
      const steps: SplitStep[] = [];
      if (booleanOf(step.add_prefix_space, `${field}.add_prefix_space`, true)) steps.push({ kind: "prefixSpace" });
      if (booleanOf(step.use_regex, `${field}.use_regex`, true)) steps.push(isolated(GPT2_SPLIT));
      return { steps, byteLevel: true };
    }
    case "Digits": {
      const single = booleanOf(step.individual_digits, `${field}.individual_digits`, false);
      return { steps: [isolated(single ? "\\p{N}" : "\\p{N}+")], byteLevel: false };
    }
    case "Punctuation":
      return {
        steps: [
          {
            kind: "split",
            pattern: { regex: "[!-/:-@\\[-`{-~\\p{P}]" },
            behavior: readBehavior(step.behavior ?? "Isolated", `${field}.behavior`),
            invert: false,
          },
        ],
        byteLevel: false,
      };
    case "WhitespaceSplit":
      return {
        steps: [{ kind: "split", pattern: { regex: "\\s+" }, behavior: "removed", invert: false }],
        byteLevel: false,
      };
    case "Whitespace":
      return {
        steps: [{ kind: "split", pattern: { regex: "\\w+|[^\\w\\s]+" }, behavior: "removed", invert: true }],
        byteLevel: false,
      };
    default:
      throw new ConfigError(`${field}.type`, `the pre-tokenizer ${type} is not supported`);
  }
}

function sequence<T>(
  value: unknown,
  field: string,
  depth: number,
  read: (value: unknown, field: string, depth: number) => Steps<T>,
): Steps<T> {
  const parts = arrayOf(value, field);
  if (depth >= MAX_DEPTH || parts.length > MAX_STEPS)
    throw new ConfigError(field, `more than ${MAX_STEPS} steps or nested more than ${MAX_DEPTH} deep`);
  const all: Steps<T> = { steps: [], byteLevel: false };
  for (const [i, part] of parts.entries()) {
    const { steps, byteLevel } = read(part, `${field}[${i}]`, depth + 1);
    all.steps.push(...steps);
    all.byteLevel ||= byteLevel;
  }
  return all;
}

function readPattern(value: unknown, field: string): Pattern {
  const pattern = objectOf(value, field);
  if (pattern.Regex !== undefined) return { regex: stringOf(pattern.Regex, `${field}.Regex`) };
  return { literal: stringOf(pattern.String, `${field}.String`) };
}

const BEHAVIORS: Readonly<Record<string, SplitBehavior>> = {
  Isolated: "isolated",
  Removed: "removed",
  MergedWithPrevious: "mergedWithPrevious",
  MergedWithNext: "mergedWithNext",
  Contiguous: "contiguous",
};

function readBehavior(value: unknown, field: string): SplitBehavior {
  const behavior = Object.hasOwn(BEHAVIORS, stringOf(value, field)) ? BEHAVIORS[value as string] : undefined;
  if (behavior === undefined)
    throw new ConfigError(field, `${JSON.stringify(value)}; want one of ${Object.keys(BEHAVIORS).join(", ")}`);
  return behavior;
}
