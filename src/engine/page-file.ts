import type { PageAddress, StoredPage } from "./prefix-store.ts";

/**
 * A page as a file, little-endian:
 *
 *     8 bytes  "DEEPTSPG"
 *     u32      version of this layout
 *     u32      tokens of the page
 *     u32      prompt rows up to its end
 *     u32      bytes of the page
 *     32 bytes id of the page before
 *     i32 ...  token ids
 *     ...      the page
 *     32 bytes SHA-256 of all before
 */
const MAGIC = new TextEncoder().encode("DEEPTSPG");
const VERSION = 1;
const HEADER_BYTES = MAGIC.length + 4 * 4 + 32;
const HASH_BYTES = 32;

/** Bytes of the file of a page. */
export function pageFileBytes(tokens: number, pageBytes: number): number {
  return HEADER_BYTES + 4 * tokens + pageBytes + HASH_BYTES;
}

export async function encodePageFile({ parent, tokens }: PageAddress, page: StoredPage): Promise<Uint8Array> {
  const { promptRows, bytes } = page;
  const file = new Uint8Array(pageFileBytes(tokens.length, bytes.length));
  file.set(header(parent, tokens, promptRows, bytes.length));
  const content = file.subarray(0, -HASH_BYTES);
  file.set(bytes, content.length - bytes.length);
  file.set(await hashOf(content), content.length);
  return file;
}

/**
 * @param address of the page that the file should hold
 * @param pageBytes of a page of this network
 * @returns the page, or what is wrong with the file
 */
export async function decodePageFile(
  file: Uint8Array<ArrayBuffer>,
  { parent, tokens }: PageAddress,
  pageBytes: number,
): Promise<StoredPage | string> {
  const want = pageFileBytes(tokens.length, pageBytes);
  if (file.length !== want) return `it has ${file.length} bytes, not ${want}`;
  const content = file.subarray(0, -HASH_BYTES);
  if (!equal(await hashOf(content), file.subarray(-HASH_BYTES))) return "its checksum is wrong";
  const promptRows = new DataView(file.buffer, file.byteOffset).getUint32(16, true);
  const begins = header(parent, tokens, promptRows, pageBytes);
  if (!equal(begins, file.subarray(0, begins.length))) return "it is of another text, model or version";
  return { promptRows, bytes: new Uint8Array(file.buffer, file.byteOffset + content.length - pageBytes, pageBytes) };
}

/** All before the page itself. */
function header(parent: string, tokens: readonly number[], promptRows: number, pageBytes: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + 4 * tokens.length);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  for (const [i, value] of [VERSION, tokens.length, promptRows, pageBytes].entries()) {
    view.setUint32(MAGIC.length + 4 * i, value, true);
  }
  for (let i = 0; i < 32; i++) bytes[HEADER_BYTES - 32 + i] = Number.parseInt(parent.slice(2 * i, 2 * i + 2), 16);
  for (const [i, token] of tokens.entries()) view.setInt32(HEADER_BYTES + 4 * i, token, true);
  return bytes;
}

async function hashOf(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
