import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { UsageError } from "./exit-codes.ts";

/** What a configuration file says: arguments by their names in code, e.g. `ctxSize` for `--ctx-size`. */
export interface Settings {
  /** For errors. */
  readonly file: string;
  readonly values: Readonly<Record<string, unknown>>;
}

const NAMES = ["deepts.config.ts", "deepts.config.mts", "deepts.config.js", "deepts.config.mjs", "deepts.config.json"];

/**
 * Reads a configuration file: JSON, or a module with a default export.
 * @param file default: the one of NAMES that lies in `folder`, if one does
 * @returns null where there is none
 * @throws UsageError naming the file
 */
export async function loadConfig(file: string | undefined, folder: string): Promise<Settings | null> {
  const name = file ?? NAMES.find((candidate) => existsSync(path.join(folder, candidate)));
  if (name === undefined) return null;
  let values: unknown;
  try {
    values = await read(path.resolve(folder, name));
  } catch (cause) {
    throw new UsageError(`${name}: cannot be read as configuration: ${(cause as Error).message}`, { cause });
  }
  if (typeof values === "object" && values !== null && !Array.isArray(values)) {
    return { file: name, values: values as Settings["values"] };
  }
  throw new UsageError(`${name}: want an object of settings${name.endsWith(".json") ? "" : " as its default export"}`);
}

async function read(file: string): Promise<unknown> {
  if (file.endsWith(".json")) return JSON.parse(await readFile(file, "utf8"));
  // Node reads TypeScript by itself only in its newer versions.
  const { createJiti } = await import("jiti");
  return createJiti(import.meta.url, { fsCache: false }).import(file, { default: true });
}
