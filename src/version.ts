import { readFileSync } from "node:fs";

/** package.json lies beside src/ and beside dist/. */
export function packageVersion(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
