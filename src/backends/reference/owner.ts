/** What a backend has handed out and must close with itself; whatever is closed before leaves it. */
export type Owner = Set<{ close(): void }>;
