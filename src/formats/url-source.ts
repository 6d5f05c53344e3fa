import { FormatError } from "../errors.ts";
import { blobSource } from "./blob-source.ts";
import { type ByteFolder, type ByteSource, checkRange } from "./byte-source.ts";

/** Shorter reads come out of a block of this size, so that small tensors side by side cost one request. */
const BLOCK_BYTES = 2 ** 18;

/** The file behind `url` and its neighbours, which are asked for with the same query. Names are as the URL spells them. */
export function urlFolder(url: URL, signal?: AbortSignal): ByteFolder {
  const place = (fileName: string) => {
    if (fileName === fileNameOf(url)) return url;
    const neighbour = new URL(`./${fileName}`, url);
    neighbour.search = url.search;
    return neighbour;
  };
  return {
    name: url.href.slice(0, url.href.lastIndexOf("/") + 1),
    has: async (fileName) => (await request(place(fileName), { method: "HEAD", signal })).ok,
    open: (fileName) => openUrl(place(fileName), signal),
  };
}

/** The last part of a URL's path. */
export function fileNameOf({ pathname }: URL): string {
  return pathname.slice(pathname.lastIndexOf("/") + 1);
}

/**
 * A file behind a URL, of which only the ranges that are read are fetched (RFC 9110, 14). From a server without ranges it
 * is fetched once and kept as a Blob, which browsers hold outside the memory of scripts.
 * @throws FormatError when it cannot be fetched, saying why
 */
export async function openUrl(url: URL, signal?: AbortSignal): Promise<ByteSource> {
  const response = await fetchRange(url, 0, BLOCK_BYTES, signal);
  if (response.status === 200) return blobSource(url.href, await response.blob());
  if (response.status !== 206) {
    void response.body?.cancel();
    throw new FormatError(url.href, 0, `cannot be fetched: the server answers with HTTP status ${response.status}`);
  }
  const size = fileSize(url, response);
  const first = new Uint8Array(await response.arrayBuffer());
  return new UrlSource(url, size, response.headers.get("etag"), first, signal);
}

class UrlSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #url: URL;
  readonly #version: string | null;
  readonly #signal: AbortSignal | undefined;
  /** The bytes of the last short read, and behind them. */
  #block: { readonly offset: number; readonly bytes: Uint8Array };

  constructor(url: URL, size: number, version: string | null, first: Uint8Array, signal: AbortSignal | undefined) {
    this.name = url.href;
    this.size = size;
    this.#url = url;
    this.#version = version;
    this.#block = { offset: 0, bytes: first };
    this.#signal = signal;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this, offset, length);
    const kept = this.#block;
    if (offset >= kept.offset && offset + length <= kept.offset + kept.bytes.length) {
      return kept.bytes.subarray(offset - kept.offset, offset - kept.offset + length);
    }
    if (length === 0) return new Uint8Array();
    if (length >= BLOCK_BYTES) return this.#fetch(offset, length);
    const bytes = await this.#fetch(offset, Math.min(BLOCK_BYTES, this.size - offset));
    this.#block = { offset, bytes };
    return bytes.subarray(0, length);
  }

  async close(): Promise<void> {}

  async #fetch(offset: number, length: number): Promise<Uint8Array> {
    const response = await fetchRange(this.#url, offset, length, this.#signal);
    const refuse = (why: string) => new FormatError(this.name, offset, why);
    if (response.status !== 206) throw refuse(`${length} bytes wanted, but the HTTP status is ${response.status}`);
    const version = response.headers.get("etag");
    if (fileSize(this.#url, response) !== this.size || version !== this.#version) {
      throw refuse("the file changed while it was read; load the model again");
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length !== length) throw refuse(`${length} bytes wanted, but ${bytes.length} came`);
    return bytes;
  }
}

function fetchRange(url: URL, offset: number, length: number, signal?: AbortSignal): Promise<Response> {
  return request(url, { headers: { range: `bytes=${offset}-${offset + length - 1}` }, signal });
}

async function request(url: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (cause) {
    init.signal?.throwIfAborted();
    // A browser tells scripts no more than this, whatever is wrong.
    const why = `${(cause as Error).message}; is the URL right, and does its server allow this page's origin (CORS)?`;
    throw new FormatError(url.href, 0, `cannot be fetched: ${why}`, { cause });
  }
}

function fileSize(url: URL, response: Response): number {
  const size = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
  if (size !== undefined) return Number(size);
  const want = "from another origin the server must send Access-Control-Expose-Headers: Content-Range";
  throw new FormatError(url.href, 0, `the answer does not say how long the file is; ${want}`);
}
