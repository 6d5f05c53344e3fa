/** The browser that tests run in, or null. */
export function chromium(): string | null;
/** Where the newer Node is, or would be; null where there is none for this machine. */
export function newerNode(): string | null;
/** Makes sure that they are there. */
export function fetchTestTools(): Promise<void>;
