/** A page in a store: which it is, which page is before it, both by short ids. */
export interface PageFile {
  readonly name: string;
  readonly id: string;
  readonly parent: string;
  readonly bytes: number;
  /** Milliseconds. */
  readonly usedAt: number;
}

/**
 * The files that must go so that the others have at most `maxBytes`: those that were not used for longest. Whoever uses a page
 * uses those before it too, without which it cannot be found: they stay for as long as it does.
 */
export function worthLeast(files: readonly PageFile[], maxBytes: number): PageFile[] {
  const byId = new Map(files.map((file) => [file.id, file]));
  const kept = new Set<PageFile>();
  for (const file of files.toSorted((a, b) => b.usedAt - a.usedAt)) {
    const line = new Set<PageFile>();
    for (let at: PageFile | undefined = file; at && !kept.has(at) && !line.has(at); at = byId.get(at.parent))
      line.add(at);
    for (const one of [...line].reverse()) kept.add(one);
  }
  let bytes = 0;
  return [...kept].filter((file) => {
    bytes += file.bytes;
    return bytes > maxBytes;
  });
}
