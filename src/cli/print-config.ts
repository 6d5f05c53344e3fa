import type { Args } from "./command.ts";

const MASK = "***";

/** The arguments that hold as a configuration file could say them; what is secret is masked. */
export function printedConfig(args: Args, values: Readonly<Record<string, unknown>>): string {
  const shown = Object.entries(args).flatMap(([name, { secret, type }]) => {
    const value = values[name];
    if (name === "printConfig" || name === "config" || value === undefined) return [];
    if (!secret) return [[name, value]];
    return [[name, type === "list" ? (value as string[]).map(() => MASK) : masked(String(value))]];
  });
  return JSON.stringify(Object.fromEntries(shown), null, 2);
}

/** Of a URL the password alone is secret. */
function masked(value: string): string {
  if (!URL.canParse(value)) return MASK;
  const url = new URL(value);
  if (url.password !== "") url.password = MASK;
  return url.href;
}
