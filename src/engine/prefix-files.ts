import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import path from "node:path";
import { ConfigError } from "../errors.ts";
import { decodePageFile, encodePageFile, pageFileBytes } from "./page-file.ts";
import type { PageAddress, PrefixStore, StoreActivity, StoredNetwork, StoredPage } from "./prefix-store.ts";
import { type PageFile, worthLeast } from "./stored-page-order.ts";

export interface PrefixFilesOptions extends StoredNetwork {
  /** Made where it is missing, for its owner alone. Other processes may use it too. */
  readonly folder: string;
  /** Bytes that all files of the folder may have together. */
  readonly maxBytes: number;
  /** Told one line for each file that is damaged, and when nothing can be written. */
  readonly warn: (line: string) => void;
  /** Milliseconds. Default Date.now. */
  readonly now?: () => number;
}

/** Where an error stopped the writing, it is tried again after this. */
const REST_MS = 60_000;
/** What is left of the limit after some had to go, so that they go by many. */
const KEPT = 0.9;
/** `<id>-<first 16 digits of parent>.page`, and behind that `.<uuid>.tmp` while it is written. */
const PAGE_NAME = /^([0-9a-f]{64})-([0-9a-f]{16})\.page$/;
const UNFINISHED_NAME = /^[0-9a-f]{64}-[0-9a-f]{16}\.page\.[0-9a-f-]{36}\.tmp$/;

/**
 * Keeps each page in a file of its own, named after what it holds. A file appears under its name when it is complete on the
 * disk; what a process that was killed had not completed goes at the next start.
 * @throws ConfigError where the folder cannot be had, or nothing may be kept in it
 */
export async function openPrefixFiles(options: PrefixFilesOptions): Promise<PrefixStore> {
  const { folder, maxBytes } = options;
  let files: PageFile[];
  if (!(maxBytes > 0)) throw new ConfigError("--prefix-cache-size", `want a number of bytes above 0, got ${maxBytes}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const names = await readdir(folder);
    // Another process that is just writing one of them does without that page.
    for (const name of names.filter((one) => UNFINISHED_NAME.test(one))) await remove(path.join(folder, name));
    files = await pageFiles(folder);
  } catch (cause) {
    throw new ConfigError("--prefix-cache", `cannot use the folder ${folder}: ${(cause as Error).message}`, { cause });
  }
  return new PrefixFiles(options, files);
}

class PrefixFiles implements PrefixStore {
  readonly #options: Required<PrefixFilesOptions>;
  /** Files that cannot be read, or not be removed. */
  readonly #spoilt = new Set<string>();
  /** Bytes that may be written before the folder is looked at again; others write there too. */
  #room = 0;
  #restsUntil = Number.NEGATIVE_INFINITY;
  /** What the last save failed with, which was told. */
  #problem: string | null = null;
  readonly #activity: { -readonly [name in keyof StoreActivity]: number };

  /** @param files those of the folder */
  constructor(options: PrefixFilesOptions, files: readonly PageFile[]) {
    this.#options = { now: Date.now, ...options };
    this.#activity = { pages: files.length, bytes: sizeOf(files), hits: 0, misses: 0, writes: 0, damaged: 0 };
  }

  get activity(): StoreActivity {
    return { ...this.#activity };
  }

  get accepts(): boolean {
    return this.#options.now() >= this.#restsUntil;
  }

  beginning(salt: string): string {
    return createHash("sha256").update(this.#options.fingerprint).update("\0").update(salt).digest("hex");
  }

  next(parent: string, tokens: readonly number[]): PageAddress {
    const id = createHash("sha256").update(parent, "hex").update(Int32Array.from(tokens)).digest("hex");
    return { id, parent, tokens };
  }

  async load(address: PageAddress): Promise<StoredPage | null> {
    const page = await this.#read(address);
    this.#activity[page === null ? "misses" : "hits"]++;
    return page;
  }

  async #read(address: PageAddress): Promise<StoredPage | null> {
    const file = this.#fileOf(address);
    if (this.#spoilt.has(file)) return null;
    const { pageBytes, warn } = this.#options;
    try {
      const { size } = await stat(file);
      const want = pageFileBytes(address.tokens.length, pageBytes);
      // A file of another length is not even read: nobody knows how large it is.
      const found =
        size === want
          ? await decodePageFile(await readFile(file), address, pageBytes)
          : `it has ${size} bytes, not ${want}`;
      if (typeof found !== "string") {
        await this.touch(address);
        return found;
      }
      warn(`the stored prefix ${file} is damaged and ignored: ${found}`);
      this.#activity.damaged++;
      if (await remove(file)) this.#count(-1, -size);
      else this.#spoilt.add(file);
    } catch (error) {
      if (isMissing(error)) return null;
      this.#activity.damaged++;
      warn(`the stored prefix ${file} cannot be read and is ignored: ${(error as Error).message}`);
      this.#spoilt.add(file);
    }
    return null;
  }

  async touch(address: PageAddress): Promise<boolean> {
    const time = this.#options.now() / 1000;
    return utimes(this.#fileOf(address), time, time).then(
      () => true,
      (error: unknown) => !isMissing(error),
    );
  }

  async save(address: PageAddress, page: StoredPage): Promise<boolean> {
    if (!this.accepts) return false;
    const file = this.#fileOf(address);
    const unfinished = `${file}.${randomUUID()}.tmp`;
    try {
      const bytes = await encodePageFile(address, page);
      if (!(await this.#makeRoom(bytes.length))) return false;
      await writeDurably(unfinished, bytes);
      await rename(unfinished, file);
      this.#count(1, bytes.length);
      this.#activity.writes++;
    } catch (error) {
      await remove(unfinished);
      this.#room = 0;
      // Another process that started has taken it for one that was left behind, or somebody has emptied the folder.
      if (!isMissing(error)) this.#rest(error as Error);
      return false;
    }
    await this.touch(address);
    this.#spoilt.delete(file);
    this.#problem = null;
    return true;
  }

  #count(pages: number, bytes: number): void {
    this.#activity.pages += pages;
    this.#activity.bytes += bytes;
  }

  #fileOf({ id, parent }: PageAddress): string {
    return path.join(this.#options.folder, `${id}-${parent.slice(0, 16)}.page`);
  }

  /** One warning for one reason, however often it is met. */
  #rest(error: Error): void {
    const { folder, now, warn } = this.#options;
    this.#restsUntil = now() + REST_MS;
    const reason = (error as NodeJS.ErrnoException).code ?? error.message;
    if (reason === this.#problem) return;
    this.#problem = reason;
    warn(
      `prefixes cannot be stored in ${folder} (${error.message}); answers go on without, and it is tried again later`,
    );
  }

  /** Removes what was not used for longest where the limit is reached. @returns whether so many bytes fit at all */
  async #makeRoom(bytes: number): Promise<boolean> {
    const { folder, maxBytes } = this.#options;
    if (bytes > maxBytes) return false;
    if (bytes > this.#room) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const files = await pageFiles(folder);
      const total = sizeOf(files);
      const most = total + bytes <= maxBytes ? maxBytes : Math.max(0, KEPT * maxBytes - bytes);
      const gone = worthLeast(files, most);
      for (const { name } of gone) await remove(path.join(folder, name));
      const left = total - sizeOf(gone);
      Object.assign(this.#activity, { pages: files.length - gone.length, bytes: left });
      this.#room = Math.max(bytes, Math.min(maxBytes - left, maxBytes / 8));
    }
    this.#room -= bytes;
    return true;
  }
}

async function pageFiles(folder: string): Promise<PageFile[]> {
  const files: PageFile[] = [];
  for (const name of await readdir(folder)) {
    const [, id, parent] = PAGE_NAME.exec(name) ?? [];
    if (id === undefined || parent === undefined) continue;
    const info = await stat(path.join(folder, name)).catch(() => null);
    if (info !== null) files.push({ name, id: id.slice(0, 16), parent, bytes: info.size, usedAt: info.mtimeMs });
  }
  return files;
}

function sizeOf(files: readonly PageFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

async function writeDurably(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** @returns whether it is gone */
async function remove(file: string): Promise<boolean> {
  return rm(file, { force: true }).then(
    () => true,
    () => false,
  );
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
