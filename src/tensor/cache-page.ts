import { DeepTsError } from "../errors.ts";
import type { CacheHandle } from "./backend.ts";

/** A page that a cache does not have, or bytes that are none: a bug of the caller, found before anything is copied. */
export class PageError extends DeepTsError {
  constructor(message: string) {
    super("page", message);
  }
}

/**
 * Every backend calls it before it copies.
 * @param bytes of what is to be put in
 * @throws PageError
 */
export function checkPage({ pages, pageBytes }: CacheHandle, page: number, bytes = pageBytes): void {
  if (!Number.isInteger(page) || page < 0 || page >= pages)
    throw new PageError(`want a page from 0 to ${pages - 1}, got ${page}`);
  if (bytes !== pageBytes) throw new PageError(`a page has ${pageBytes} bytes, got ${bytes}`);
}
