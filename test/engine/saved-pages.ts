import type { PageAddress, PrefixStore, StoredPage } from "../../src/engine/prefix-store.ts";

/** Large, so that a write takes its time. */
const PAGE_BYTES = 2 ** 23;

/** The pages of one text, without end for all that anybody waits for. */
export function savedText(store: PrefixStore, pages = 1000): PageAddress[] {
  const text: PageAddress[] = [];
  for (let i = 0; i < pages; i++) text.push(store.next(text.at(-1)?.id ?? store.beginning(""), [i]));
  return text;
}

export function savedPage(index: number): StoredPage {
  return { promptRows: index, bytes: new Uint8Array(PAGE_BYTES).fill(index + 1) };
}
