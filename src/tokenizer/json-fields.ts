import { ConfigError } from "../errors.ts";

/** Any object of parsed JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Token ids are below this: eight times the largest vocabulary known (262,144), far below what memory could not hold. */
export const MAX_TOKENS = 1 << 21;

/** @throws ConfigError naming `field` when the value is not an object */
export function objectOf(value: unknown, field: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  return wrong(value, field, "an object");
}

export function arrayOf(value: unknown, field: string): readonly unknown[] {
  return Array.isArray(value) ? value : wrong(value, field, "an array");
}

export function stringOf(value: unknown, field: string): string {
  return typeof value === "string" ? value : wrong(value, field, "a string");
}

/** A missing or null value is `fallback`. */
export function booleanOf(value: unknown, field: string, fallback: boolean): boolean {
  if (value === undefined || value === null) return fallback;
  return typeof value === "boolean" ? value : wrong(value, field, "true or false");
}

export function isTokenId(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < MAX_TOKENS;
}

export function tokenIdOf(value: unknown, field: string): number {
  return isTokenId(value) ? value : wrong(value, field, `a token id from 0 to ${MAX_TOKENS - 1}`);
}

function wrong(value: unknown, field: string, want: string): never {
  // Not the text of objects: they can be as large and as deep as the file.
  const got = typeof value === "object" && value !== null ? (Array.isArray(value) ? "an array" : "an object") : value;
  const text = got === value ? (JSON.stringify(value) ?? String(value)) : String(got);
  throw new ConfigError(field, `want ${want}, got ${text.length > 60 ? `${text.slice(0, 60)}...` : text}`);
}
