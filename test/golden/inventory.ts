import { existsSync, readdirSync } from "node:fs";
import path from "node:path";

/** What a fixtures folder holds, and what of it no test would look at. */
export interface Inventory {
  /** Folders of a Hugging Face model with golden values of their own. */
  readonly families: readonly string[];
  /** Models in gguf/, of a split one the first part. */
  readonly ggufs: readonly string[];
  /** Sentences about files and folders that fit nowhere. */
  readonly problems: readonly string[];
}

/** The same checkpoint as another family, in shards: judged by that one's golden values. */
export const SAME_AS: Readonly<Record<string, string>> = { "v3-tiny-sharded": "v3-tiny" };

/** Folders without a network: the test that reads them, and which files it reads. */
const OTHER_FOLDERS: Readonly<Record<string, { reader: string; files: RegExp }>> = {
  chat: { reader: "src/tokenizer/chat-template.test.ts", files: /^info\.json$|\.(jinja|jsonl)$/ },
  dequant: { reader: "test/dequant.test.ts", files: /^index\.json$|\.safetensors$/ },
  tokenizer: {
    reader: "src/tokenizer/tokenizer.test.ts",
    files: /^(info\.json|deepseek_v3\.jsonl|deepseek_v3_decode\.jsonl|tiny\.jsonl)$/,
  },
};

const MODEL_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json"];
const GOLDEN_FILES = ["golden.json", "golden.safetensors"];
const WEIGHT_FILES = /^model(-\d{5}-of-\d{6})?\.safetensors(\.index\.json)?$/;

export function takeInventory(fixtures: string): Inventory {
  const folders = new Map<string, string[]>();
  const problems: string[] = [];
  for (const entry of readdirSync(fixtures, { withFileTypes: true })) {
    if (entry.isDirectory()) folders.set(entry.name, readdirSync(path.join(fixtures, entry.name)).sort());
    else if (entry.name !== "README.md") problems.push(`${entry.name} is not a folder`);
  }
  const families: string[] = [];
  const ggufs: string[] = [];
  for (const [folder, files] of [...folders].sort()) {
    if (folder === "gguf") ggufs.push(...sortGgufs(files, problems));
    else if (folder in OTHER_FOLDERS)
      problems.push(...unread(folder, files, (file) => OTHER_FOLDERS[folder]!.files.test(file)));
    else if (checkFamily(folder, files, problems)) families.push(folder);
  }
  return { families, ggufs, problems };
}

/** @returns whether the folder has golden values of its own */
function checkFamily(folder: string, files: readonly string[], problems: string[]): boolean {
  const own = !(folder in SAME_AS);
  for (const file of own ? [...MODEL_FILES, ...GOLDEN_FILES] : MODEL_FILES) {
    if (!files.includes(file)) problems.push(`${folder} has no ${file}`);
  }
  const isRead = (file: string) =>
    MODEL_FILES.includes(file) || WEIGHT_FILES.test(file) || (own && GOLDEN_FILES.includes(file));
  problems.push(...unread(folder, files, isRead));
  return own;
}

function sortGgufs(files: readonly string[], problems: string[]): string[] {
  const models = files.filter((file) => file.endsWith(".gguf") && !/-(?!00001)\d{5}-of-\d{5}\.gguf$/.test(file));
  for (const model of models) {
    if (!files.includes(goldenOf(model))) problems.push(`gguf/${model} has no ${goldenOf(model)}`);
  }
  const known = new Set(["golden.json", ...models.flatMap((model) => [...partsOf(model), goldenOf(model)])]);
  problems.push(...unread("gguf", files, (file) => known.has(file)));
  return models;
}

/** File of the golden values of a GGUF. */
export function goldenOf(gguf: string): string {
  return `${gguf}.golden.safetensors`;
}

function partsOf(model: string): string[] {
  const split = /^(.*)-00001-of-(\d{5})\.gguf$/.exec(model);
  if (!split) return [model];
  const [, stem, count] = split;
  return Array.from({ length: Number(count) }, (_, i) => `${stem}-${String(i + 1).padStart(5, "0")}-of-${count}.gguf`);
}

/** Tests that are named as readers of a folder and do not exist. */
export function missingReaders(root: string): string[] {
  const readers = Object.values(OTHER_FOLDERS).map(({ reader }) => reader);
  return readers.filter((file) => !existsSync(path.join(root, file)));
}

function unread(folder: string, files: readonly string[], isRead: (file: string) => boolean): string[] {
  return files.filter((file) => !isRead(file)).map((file) => `${folder}/${file} is read by no test`);
}
