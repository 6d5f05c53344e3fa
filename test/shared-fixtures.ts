import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { missing } from "./skip.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The folder that holds the large golden values beside the checkout; DEEPTS_SHARED names another place. */
export const sharedDir = path.resolve(root, process.env.DEEPTS_SHARED ?? "../shared");

/** Golden values that travel with the repository, so that a plain clone tests something real. */
export const localFixtures = path.join(root, "test", "fixtures");

export const hasSharedFixtures = existsSync(path.join(sharedDir, "fixtures"));

/** Reason for `t.skip` in a clone without ../shared. */
export const NO_SHARED = missing("../shared/fixtures beside this checkout");

/**
 * Path of a fixture: from ../shared where it is there, else the copy in test/fixtures, else null (skip with NO_SHARED).
 * @param parts e.g. fixture("v3-tiny", "config.json")
 */
export function fixture(...parts: string[]): string | null {
  for (const base of [path.join(sharedDir, "fixtures"), localFixtures]) {
    const file = path.join(base, ...parts);
    if (existsSync(file)) return file;
  }
  return null;
}

/** Names in a fixture folder, sorted; empty when there is none. */
export function fixtureNames(...parts: string[]): string[] {
  const dir = fixture(...parts);
  return dir === null ? [] : readdirSync(dir).sort();
}
