import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { ConfigError } from "../errors.ts";
import { arrayOf, booleanOf, type JsonObject, objectOf, stringOf } from "./json-fields.ts";
import type { TokenizerSpec } from "./spec.ts";
import { Tokenizer } from "./tokenizer.ts";
import { specFromTokenizerJson } from "./tokenizer-json.ts";
import { specFromTiktoken } from "./tokenizer-tiktoken.ts";

/** The largest released tokenizer.json (Gemma, Llama 4) has about 35 MB. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/** What the tokenizer files of a Hugging Face directory say. */
export interface LoadedTokenizer {
  readonly tokenizer: Tokenizer;
  /** What `tokenizer` was built from, for writing it in another format. */
  readonly spec: TokenizerSpec;
  /** The template to use for chats: chat_template.jinja, or the one in tokenizer_config.json named `default`. */
  readonly chatTemplate: string | null;
  /** All of them by name (`default`, `tool_use` ...). */
  readonly namedTemplates: Readonly<Record<string, string>>;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
}

/**
 * Loads the tokenizer of a directory: tokenizer.json or, without one, tiktoken.model; tokenizer_config.json,
 * special_tokens_map.json and chat_template.jinja where they are there.
 * @throws ConfigError naming file and field; FormatError for a tiktoken.model that is not one
 */
export async function loadTokenizer(directory: string): Promise<LoadedTokenizer> {
  const config = await readJson(directory, "tokenizer_config.json");
  const map = await readJson(directory, "special_tokens_map.json");
  const bosToken = tokenText(config, map, "bos_token");
  const eosToken = tokenText(config, map, "eos_token");
  const addBos = booleanOf(config.add_bos_token, "tokenizer_config.json: add_bos_token", false);
  const namedTemplates = await readTemplates(directory, config);
  const options = { bosToken, eosToken, addBos };
  const spec = await readSpec(directory, config, options);
  return {
    tokenizer: new Tokenizer(spec),
    spec,
    chatTemplate: namedTemplates.default ?? null,
    namedTemplates,
    bosToken,
    eosToken,
  };
}

async function readSpec(
  directory: string,
  config: JsonObject,
  options: { bosToken: string | null; eosToken: string | null; addBos: boolean },
) {
  const json = await readText(directory, "tokenizer.json");
  if (json !== null) return specFromTokenizerJson(parseJson(json, "tokenizer.json"), options);
  const model = await readText(directory, "tiktoken.model");
  if (model !== null)
    return specFromTiktoken(model, { ...options, addedTokensDecoder: config.added_tokens_decoder ?? {} });
  throw new ConfigError(directory, "has neither tokenizer.json nor tiktoken.model; add the tokenizer's files to it");
}

/** A token is named by its text, or by an object that holds it as `content`. */
function tokenText(config: JsonObject, map: JsonObject, name: string): string | null {
  for (const [file, object] of [
    ["tokenizer_config.json", config] as const,
    ["special_tokens_map.json", map] as const,
  ]) {
    const value = object[name];
    if (value === undefined || value === null) continue;
    if (typeof value === "string") return value;
    return stringOf(objectOf(value, `${file}: ${name}`).content, `${file}: ${name}.content`);
  }
  return null;
}

async function readTemplates(directory: string, config: JsonObject): Promise<Record<string, string>> {
  const field = "tokenizer_config.json: chat_template";
  const templates = new Map<string, string>();
  const value = config.chat_template;
  if (typeof value === "string") templates.set("default", value);
  else if (value !== undefined && value !== null) {
    for (const [i, entry] of arrayOf(value, field).entries()) {
      const template = objectOf(entry, `${field}[${i}]`);
      templates.set(
        stringOf(template.name, `${field}[${i}].name`),
        stringOf(template.template, `${field}[${i}].template`),
      );
    }
  }
  const file = await readText(directory, "chat_template.jinja");
  if (file !== null) templates.set("default", file);
  return Object.fromEntries(templates);
}

async function readJson(directory: string, name: string): Promise<JsonObject> {
  const text = await readText(directory, name);
  return text === null ? {} : objectOf(parseJson(text, name), name);
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ConfigError(name, `is not JSON: ${(cause as Error).message}`, { cause });
  }
}

/** A file's text, or null where there is none. */
async function readText(directory: string, name: string): Promise<string | null> {
  const file = path.join(directory, name);
  try {
    const info = await stat(file);
    if (!info.isFile()) throw new ConfigError(name, "is not a file");
    if (info.size > MAX_FILE_BYTES)
      throw new ConfigError(name, `has ${info.size} bytes; the limit is ${MAX_FILE_BYTES}`);
    return await readFile(file, "utf8");
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new ConfigError(name, `cannot be read: ${(cause as Error).message}`, { cause });
  }
}
