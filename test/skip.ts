/** Starts the reason of a skip that a fuller machine would not make. The reporter counts such a skip as a failure in CI. */
const MISSING = "missing: ";

/** Reason for skipping a test because `what`, a tool or a folder, is not on this machine. */
export function missing(what: string): string {
  return MISSING + what;
}

export function isMissing(reason: string): boolean {
  return reason.startsWith(MISSING);
}

/** Skips a test because `what`, a tool or a folder that it needs, is not on this machine; where CI=true that is a failure. */
export function skipMissing(test: { skip(note: string): never }, what: string): never {
  return test.skip(missing(what));
}
