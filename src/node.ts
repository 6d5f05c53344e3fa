import { stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { EMBEDDED_MODEL } from "./embedded.ts";
import { contextSize, Engine } from "./engine/engine.ts";
import type { LoadedModel, ModelHost, ModelOptions, NamedCheckpoint } from "./engine/load-model.ts";
import { assembleModel } from "./engine/load-model.ts";
import { openPrefixFiles } from "./engine/prefix-files.ts";
import type { ModelText } from "./engine/text.ts";
import { generationFromHf, textFromGguf } from "./engine/text.ts";
import { BackendUnavailableError, FormatError } from "./errors.ts";
import { isDirectory, openFolder } from "./formats/file-source.ts";
import { openCheckpoint, readJson, storedBytes } from "./model/checkpoint.ts";
import type { Backend } from "./tensor/backend.ts";
import type { Encoder } from "./tensor/encoder.ts";
import { processBytes } from "./tensor/memory-use.ts";
import { nodeTemplateThread } from "./tokenizer/template-node.ts";
import { loadTokenizer } from "./tokenizer/tokenizer-files.ts";
import { packageVersion } from "./version.ts";

export { type CpuOptions, cpuTargets, openCpu } from "./backends/cpu/backend.ts";
export { openReference } from "./backends/reference/backend.ts";
export type * from "./engine/generation.ts";
export type { LoadedModel, ModelOptions } from "./engine/load-model.ts";
export * from "./errors.ts";
export type * from "./tensor/backend.ts";
export type * from "./tensor/program.ts";
export type * from "./tensor/weight.ts";
export { Engine };

/** Backends by name, the best first; `auto` takes the first that this machine has. */
export const BACKENDS = ["cpu", "wasm", "reference"] as const;

export interface BackendOptions {
  /** Threads of the cpu and wasm backends. Default: the physical cores that this process may use. */
  readonly threads?: number;
  /** What the weights take as they are stored; of more than 3 GiB the wasm backend needs to know. Default: less. */
  readonly modelBytes?: number;
  /** Told in one line when `auto` had to do without the best backend, and why. */
  readonly onNote?: (note: string) => void;
}

/**
 * Opens a backend by name, or one from outside: the path of a module that exports `createBackend(): Backend | Promise<Backend>`.
 * @param choice `auto`, a name of BACKENDS, or a path that starts with `.` or `/` or ends in .js or .mjs
 * @throws BackendUnavailableError
 */
export async function openBackend(choice = "auto", options: BackendOptions = {}): Promise<Backend> {
  const { threads, modelBytes, onNote } = options;
  if (choice === "cpu" || choice === "auto") {
    const { nativeProblem, openCpu } = await import("./backends/cpu/backend.ts");
    const problem = choice === "auto" ? nativeProblem() : null;
    if (problem === null) return openCpu({ threads });
    onNote?.(problem.message);
  }
  if (choice === "wasm" || choice === "auto") {
    const { nodeEnvironment, wasmProblem } = await import("./backends/wasm/node-environment.ts");
    const problem = choice === "auto" ? wasmProblem() : null;
    if (problem === null) {
      if (choice === "auto") onNote?.("until then the WASM backend computes, which is slower");
      const { openWasm } = await import("./backends/wasm/backend.ts");
      return openWasm(nodeEnvironment(), { threads, modelBytes });
    }
    onNote?.(`${problem.message}; until then the reference backend computes, which is many times slower`);
  }
  if (choice === "auto" || choice === "reference") {
    const { openReference } = await import("./backends/reference/backend.ts");
    return openReference();
  }
  if (/^[./]|^[a-z]:[\\/]|\.m?js$/i.test(choice)) return openOutsideBackend(choice);
  throw new BackendUnavailableError(choice, `unknown; want auto, ${BACKENDS.join(", ")} or the path of a module`);
}

/**
 * Opens what converts weights to other element types.
 * @throws BackendUnavailableError without the native addon
 */
export async function openEncoder(options: Pick<BackendOptions, "threads"> = {}): Promise<Encoder> {
  const { openCpuEncoder } = await import("./backends/cpu/encoder.ts");
  return openCpuEncoder(options);
}

async function openOutsideBackend(file: string): Promise<Backend> {
  let module: { createBackend?: unknown };
  try {
    module = await import(pathToFileURL(path.resolve(file)).href);
  } catch (cause) {
    throw new BackendUnavailableError(file, `cannot be imported: ${(cause as Error).message}`, { cause });
  }
  if (typeof module.createBackend !== "function") {
    throw new BackendUnavailableError(file, "exports no function createBackend");
  }
  const backend = (await module.createBackend()) as Backend;
  for (const method of ["describe", "loadWeight", "allocCache", "compile", "close"] as const) {
    if (typeof backend?.[method] !== "function") {
      throw new BackendUnavailableError(file, `what createBackend() gives has no method ${method}`);
    }
  }
  return backend;
}

/** A model opened for reading, and where it lies. */
export interface OpenedModel extends NamedCheckpoint {
  /** File or directory. */
  readonly path: string;
}

/**
 * Opens a .gguf file or a directory with config.json; only headers are read. Close `checkpoint` afterwards.
 * @param model default: the embedded model
 * @throws FormatError, ConfigError
 */
export async function openModel(model: string = embeddedModelPath()): Promise<OpenedModel> {
  const info = await stat(model).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === "ENOENT" ? "there is no such file or directory" : cause.message;
    throw new FormatError(model, 0, `${why}; --model wants a .gguf file or a directory with config.json`, { cause });
  });
  const modified = Math.floor(info.mtimeMs / 1000);
  if (info.isDirectory()) {
    const checkpoint = await openCheckpoint(openFolder(model));
    return { checkpoint, path: model, name: nameOf(model), modified };
  }
  const checkpoint = await openCheckpoint(openFolder(path.dirname(model)), path.basename(model));
  return { checkpoint, path: model, name: nameOf(model), modified };
}

/** What `loadModel` calls a model by default: as its file or directory. */
export function modelName(model: string = embeddedModelPath()): string {
  return path.resolve(model) === embeddedModelPath() ? EMBEDDED_MODEL.id : nameOf(model);
}

/** Without .gguf, and without the number of the part where a model has several. */
function nameOf(model: string): string {
  const name = path.basename(path.resolve(model));
  return name.replace(/\.gguf$/i, "").replace(/-00001-of-\d{5}$/, "");
}

/** What is known of a model before it is loaded. */
export interface ModelDescription {
  readonly name: string;
  /** One sentence for people; may be empty. */
  readonly description: string;
  /** Modification time in Unix seconds. */
  readonly modified: number;
  /** Tokens that prompt and answer may have together. */
  readonly contextSize: number;
  /** What the process grows by once it is loaded and its cache is full; null where the backend cannot tell. */
  readonly bytes: number | null;
}

/**
 * Tells from the headers alone what `loadModel` would load with the same options.
 * @throws FormatError, ConfigError, ShapeError, BackendUnavailableError
 */
export async function describeModel(
  model: string = embeddedModelPath(),
  { backend: choice, threads, ...options }: LoadOptions = {},
): Promise<ModelDescription> {
  const { checkpoint, description = "", modified, name } = await openNamed(model, options.name);
  try {
    const backend = await openBackend(choice, { threads });
    try {
      const prediction = await Engine.predict(checkpoint, backend, options);
      const bytes = prediction && processBytes(prediction.memory);
      return { name, description, modified, contextSize: contextSize(checkpoint, options), bytes };
    } finally {
      backend.close();
    }
  } finally {
    await checkpoint.close();
  }
}

async function openNamed(model: string, name: string = modelName(model)): Promise<OpenedModel> {
  const opened = { ...(await openModel(model)), name };
  return path.resolve(model) === embeddedModelPath() ? { ...opened, description: EMBEDDED_MODEL.description } : opened;
}

/**
 * Vocabulary, chat template, end tokens and sampling defaults of a model. A directory needs its tokenizer files only.
 * @throws ConfigError, FormatError
 */
export async function loadText(model: string = embeddedModelPath()): Promise<ModelText> {
  if (!(await isDirectory(model))) {
    const { checkpoint } = await openModel(model);
    try {
      return textFromGguf(checkpoint.gguf!);
    } finally {
      await checkpoint.close();
    }
  }
  const folder = openFolder(model);
  const files = await loadTokenizer(model);
  const optional = async (name: string) => ((await folder.has(name)) ? await readJson(folder, name) : null);
  const config = (await optional("config.json")) ?? {};
  const generation = generationFromHf(config, await optional("generation_config.json"));
  const eos = files.tokenizer.eosId;
  return {
    tokenizer: files.tokenizer,
    chatTemplate: files.chatTemplate,
    bosToken: files.bosToken,
    eosToken: files.eosToken,
    endTokens: new Set([...generation.endTokens, ...(eos === null ? [] : [eos])]),
    defaults: generation.defaults,
  };
}

export interface LoadOptions extends ModelOptions {
  /** A name of BACKENDS, `auto`, or the path of a module. Default auto. */
  readonly backend?: string;
  /** Threads of the cpu and wasm backends. Default: the physical cores that this process may use. */
  readonly threads?: number;
  /** Folder in which beginnings of texts are kept, so that they need not be read again after a restart. Default: nowhere. */
  readonly prefixCache?: string;
  /** Bytes that they may take there; what was not used for longest goes. Default 4 GiB. */
  readonly prefixCacheSize?: number;
  /** Told one line for people when something goes wrong that answers do not suffer from. Default: nobody. */
  readonly onWarning?: (line: string) => void;
  /** What the model is called in answers. Default: as its file or directory. */
  readonly name?: string;
}

const PREFIX_CACHE_BYTES = 4 * 2 ** 30;

/**
 * Loads a model and makes it ready to answer.
 * @param model .gguf file or directory with config.json; default the embedded model
 * @throws FormatError, ConfigError, ShapeError, BackendUnavailableError
 * @example
 * const { engine, close } = await loadModel();
 * const { ids } = await engine.renderChat({ messages: [{ role: "user", content: "Hello" }] });
 * for await (const event of engine.generate({ prompt: ids, maxTokens: 50 })) process.stdout.write(event.text);
 * await close();
 */
export async function loadModel(
  model: string = embeddedModelPath(),
  { backend, threads, name, prefixCache, prefixCacheSize, onWarning, ...options }: LoadOptions = {},
): Promise<LoadedModel> {
  const host: ModelHost = {
    openModel: () => openNamed(model, name),
    openBackend: (checkpoint, onNote) => openBackend(backend, { threads, modelBytes: storedBytes(checkpoint), onNote }),
    loadText: ({ gguf }) => (gguf ? textFromGguf(gguf) : loadText(model)),
    startTemplateThread: nodeTemplateThread(),
    openPrefixStore:
      prefixCache === undefined
        ? undefined
        : ({ fingerprint, pageBytes }) =>
            openPrefixFiles({
              folder: prefixCache,
              maxBytes: prefixCacheSize ?? PREFIX_CACHE_BYTES,
              // Another version may compute the last bits otherwise, or rightly what this one does not.
              fingerprint: `${packageVersion()} ${fingerprint}`,
              pageBytes,
              warn: (line) => onWarning?.(line),
            }),
  };
  return assembleModel(host, options);
}

/** The embedded model lies beside src/ in a checkout and beside dist/ in the package. */
export function embeddedModelPath(): string {
  return fileURLToPath(new URL(`../models/${EMBEDDED_MODEL.file}`, import.meta.url));
}
