import { createHash, timingSafeEqual } from "node:crypto";
import * as z from "zod";
import { ConfigError } from "../errors.ts";

/** What one key may do; only its hash is kept. */
export interface ApiKey {
  /** In logs and metrics, and what its callers' stored responses belong to. */
  readonly name: string;
  /** SHA-256 of the key. What was read for its callers belongs to it: another key of the same name is somebody else. */
  readonly hash: Uint8Array;
  /** Default: the server's own limit. */
  readonly requestsPerMinute?: number;
  /** Tokens of prompts and answers. Default: the server's own limit. */
  readonly tokensPerMinute?: number;
  /** Answers of higher priority go first. Default 0. */
  readonly priority?: number;
  /** May also manage the server. Default false. */
  readonly admin?: boolean;
}

/** Keys that can be guessed are no protection; their hash could also be searched for. */
const MIN_KEY_LENGTH = 16;

const keySpec = z
  .strictObject({
    name: z.string().regex(/^[\w.@-]{1,64}$/),
    key: z.string().min(MIN_KEY_LENGTH).optional(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/i)
      .optional(),
    requestsPerMinute: z.int().min(1).optional(),
    tokensPerMinute: z.int().min(1).optional(),
    priority: z.int().min(-100).max(100).optional(),
    admin: z.boolean().optional(),
  })
  .refine(({ key, sha256 }) => (key === undefined) !== (sha256 === undefined), "wants either key or sha256");

const keysFile = z.strictObject({ keys: z.array(keySpec).min(1) });

/**
 * The keys of a file: `{"keys": [{"name", "key" or "sha256", "requestsPerMinute", "tokensPerMinute", "priority", "admin"}]}`.
 * @param file names it in errors; no error shows a key
 * @throws ConfigError
 */
export function parseApiKeys(text: string, file: string): ApiKey[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError("--api-keys", `${file} is not JSON`, { cause });
  }
  const parsed = keysFile.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const place = issue!.path.map(String).join(".") || "the file";
    throw new ConfigError(
      "--api-keys",
      `${file}: ${place}: ${issue!.code === "custom" ? issue!.message : issue!.code}`,
    );
  }
  const keys = parsed.data.keys.map(({ key, sha256, ...rest }) => ({
    ...rest,
    hash: key === undefined ? Buffer.from(sha256!, "hex") : hashOf(key),
  }));
  const names = keys.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new ConfigError("--api-keys", `${file} has two keys of the name ${twice}`);
  return keys;
}

/** A key given by itself. @throws ConfigError naming `from` where it is too short */
export function singleApiKey(key: string, name: string, from: string): ApiKey {
  if (key.length >= MIN_KEY_LENGTH) return { name, hash: hashOf(key) };
  throw new ConfigError(from, `want a key of at least ${MIN_KEY_LENGTH} characters, got ${key.length}`);
}

function hashOf(key: string): Buffer {
  return createHash("sha256").update(key, "utf8").digest();
}

/** Finds a key in time that depends neither on what was sent nor on which key it is. */
export function findApiKey(keys: readonly ApiKey[], sent: string): ApiKey | null {
  const hash = hashOf(sent);
  let found: ApiKey | null = null;
  for (const key of keys) if (timingSafeEqual(hash, key.hash)) found = key;
  return found;
}

/** The key a request carries: as a bearer token, or as Anthropic's clients send it. */
export function sentApiKey(headers: Headers): string | null {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  return bearer ?? headers.get("x-api-key");
}
