import { openReference } from "./backends/reference/backend.ts";
import { openWasm, type WasmOptions } from "./backends/wasm/backend.ts";
import { webEnvironment } from "./backends/wasm/web-environment.ts";
import type { LoadedModel, ModelHost, ModelOptions, NamedCheckpoint } from "./engine/load-model.ts";
import { assembleModel } from "./engine/load-model.ts";
import { textFromGguf } from "./engine/text.ts";
import { BackendUnavailableError, FormatError } from "./errors.ts";
import { blobFolder } from "./formats/blob-source.ts";
import type { ByteFolder } from "./formats/byte-source.ts";
import { fileNameOf, urlFolder } from "./formats/url-source.ts";
import { openCheckpoint, storedBytes } from "./model/checkpoint.ts";
import type { Backend } from "./tensor/backend.ts";
import { webTemplateThread } from "./tokenizer/template-web.ts";

export type { Engine } from "./engine/engine.ts";
export type * from "./engine/generation.ts";
export type { LoadedModel, ModelOptions } from "./engine/load-model.ts";
export * from "./errors.ts";

/** Backends of a browser. */
export const BACKENDS = ["wasm", "reference"] as const;

export interface BrowserOptions extends ModelOptions {
  /** Default wasm; reference is plain TypeScript and many times slower. */
  readonly backend?: (typeof BACKENDS)[number];
  /**
   * Threads that compute. Default: half of the processors, at most 8. One, unless the page is cross-origin isolated: served
   * with `Cross-Origin-Opener-Policy: same-origin` and `Cross-Origin-Embedder-Policy: require-corp`.
   */
  readonly threads?: number;
  /**
   * Whether weights and cache may take more than 4 GiB, up to 16; the browser must have WebAssembly's Memory64.
   * Default: where it has, and the weights take more than 3 GiB.
   */
  readonly memory64?: boolean;
  /** URL of the folder with the WebAssembly modules. Default: `build/wasm/` of the package, as this file lies in it. */
  readonly modules?: string | URL;
  /** Sequences of full length that the cache holds at once. Default 1. */
  readonly parallel?: number;
}

/**
 * Loads a model into this page and makes it ready to answer. Call `close()` when done: a page has little memory.
 * @param model URL of a .gguf file, read by ranges where the server has them; or a file that the user chose; of a split
 * model the URL of the first part, or all files. Weights and cache must fit into what WebAssembly reaches: see `memory64`.
 * @throws FormatError, ConfigError, ShapeError, BackendUnavailableError
 * @example
 * const { engine, close } = await loadModel("/models/model.gguf");
 * const { ids } = await engine.renderChat({ messages: [{ role: "user", content: "Hello" }] });
 * for await (const event of engine.generate({ prompt: ids, maxTokens: 50 })) output.append(event.text);
 * await close();
 */
export async function loadModel(
  model: string | URL | Blob | readonly File[],
  { backend = "wasm", threads, memory64, modules, parallel = 1, ...options }: BrowserOptions = {},
): Promise<LoadedModel> {
  const host: ModelHost = {
    openModel: () => openModel(model, options.signal),
    openBackend: (checkpoint, note) => {
      const where = modules ?? new URL("../build/wasm/", import.meta.url);
      const modelBytes = memory64 === false ? 0 : storedBytes(checkpoint);
      return openBackend(backend, { threads, target: memory64 ? "wasm64" : undefined, modelBytes }, where, note);
    },
    loadText: ({ gguf }) => textFromGguf(gguf!),
    startTemplateThread: webTemplateThread(new URL("./tokenizer/template-web-thread.mjs", import.meta.url)),
  };
  return assembleModel(host, { ...options, parallel });
}

async function openBackend(
  name: string,
  options: WasmOptions,
  modules: string | URL,
  note: (line: string) => void,
): Promise<Backend> {
  if (name === "reference") return openReference();
  if (name !== "wasm") throw new BackendUnavailableError(name, `unknown; want one of ${BACKENDS.join(", ")}`);
  const environment = webEnvironment(new URL(modules, location.href));
  if (!environment.sharedMemory && options.threads !== 1) {
    note("one thread computes: only a page that is cross-origin isolated (COOP and COEP headers) may have more");
  }
  return openWasm(environment, options);
}

async function openModel(
  model: string | URL | Blob | readonly File[],
  signal: AbortSignal | undefined,
): Promise<NamedCheckpoint> {
  const [folder, file, modified] = placeOf(model, signal);
  const checkpoint = await openCheckpoint(folder, file);
  return { checkpoint, name: file.replace(/(-00001-of-\d{5})?\.gguf$/i, ""), modified };
}

function placeOf(
  model: string | URL | Blob | readonly File[],
  signal: AbortSignal | undefined,
): [folder: ByteFolder, file: string, modified: number] {
  if (typeof model === "string" || model instanceof URL) {
    const url = new URL(model, location.href);
    return [urlFolder(url, signal), fileNameOf(url), 0];
  }
  if (model instanceof Blob && !(model instanceof File)) {
    return [blobFolder(new Map([["model.gguf", model]])), "model.gguf", 0];
  }
  // Parts of a split model have names of one length, so the first in order is the first part.
  const files = [model].flat().sort((a, b) => (a.name < b.name ? -1 : 1));
  const [first] = files;
  if (!first)
    throw new FormatError("the chosen files", 0, "there are none; want a .gguf file, or all parts of a split one");
  const folder = blobFolder(new Map(files.map((file) => [file.name, file])));
  return [folder, first.name, Math.floor(first.lastModified / 1000)];
}
