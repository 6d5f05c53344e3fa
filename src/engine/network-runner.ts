import type { Checkpoint } from "../model/checkpoint.ts";
import type { Taps } from "../model/network.ts";
import { recordMtp, recordNetwork } from "../model/network.ts";
import type {
  Backend,
  Batch,
  CacheHandle,
  Executable,
  MemoryUse,
  Numerics,
  Outputs,
  WeightHandle,
} from "../tensor/backend.ts";
import { cacheRowBytes } from "../tensor/cache-row.ts";
import { DTYPES } from "../tensor/dtype.ts";
import { memoryUse } from "../tensor/memory-use.ts";
import type { CacheDType, CacheLayout, Program } from "../tensor/program.ts";

export interface RunnerOptions {
  /** Pages of the cache, or how many for the bytes that each takes. */
  readonly pages: number | ((pageBytes: number) => number);
  /** Rows per step. Default: what the backend prefers. */
  readonly maxRows?: number;
  /** Sequences per step. Default 1. */
  readonly maxSeqs?: number;
  /** Rows per step whose logits are wanted. Default maxRows. */
  readonly maxLogitRows?: number;
  /** Auto: fast where the weights are quantised and the backend can, else exact. Default exact. */
  readonly numerics?: Numerics | "auto";
  /** Type of the cache. Auto: f32 for exact numerics, f16 for fast. Default auto. */
  readonly cacheType?: CacheDType | "auto";
  readonly taps?: Taps;
  /** Load the MTP layers too, where the file has them. Default false. */
  readonly mtp?: boolean;
  /** Called after each weight. */
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
}

export interface LoadProgress {
  readonly loadedBytes: number;
  readonly totalBytes: number;
}

/** What a network takes in a backend, and what the options left open came to. */
export interface Prediction {
  readonly numerics: Numerics;
  readonly cacheType: CacheDType;
  readonly memory: MemoryUse;
}

/** The network of a checkpoint, loaded into a backend: Programs, weights and cache in one owner. */
export class NetworkRunner {
  readonly program: Program;
  readonly numerics: Numerics;
  readonly maxRows: number;
  /** Pages of the cache. */
  readonly pages: number;
  readonly memory: MemoryUse;
  readonly cache: CacheHandle;
  readonly #network: Executable;
  readonly #mtp: Executable | null;
  readonly #owned: readonly { close(): void }[];

  private constructor(
    program: Program,
    network: Executable,
    mtp: Executable | null,
    numerics: Numerics,
    maxRows: number,
    weights: readonly WeightHandle[],
    cache: CacheHandle,
  ) {
    this.program = program;
    this.numerics = numerics;
    this.maxRows = maxRows;
    this.pages = cache.pages;
    this.cache = cache;
    this.memory = memoryUse(weights, cache.bytes, network.scratchBytes + (mtp?.scratchBytes ?? 0));
    this.#network = network;
    this.#mtp = mtp;
    this.#owned = [network, ...(mtp ? [mtp] : []), cache, ...weights];
  }

  /**
   * Reads the weights, one after the other. On failure everything loaded so far is freed.
   * @throws FormatError, ShapeError, UnsupportedOpError, or the signal's reason
   */
  static async load(checkpoint: Checkpoint, backend: Backend, options: RunnerOptions): Promise<NetworkRunner> {
    const { config, weights } = checkpoint;
    const { numerics, cacheDType, ...limits } = settle(checkpoint, backend, options);
    const network = recordNetwork(config, weights, options.taps, cacheDType);
    const mtp = options.mtp && config.numNextnPredictLayers > 0 ? recordMtp(config, weights, 0, cacheDType) : null;
    const owned: { close(): void }[] = [];
    const own = <H extends { close(): void }>(handle: H): H => {
      owned.push(handle);
      return handle;
    };
    try {
      const handles = new Map<string, WeightHandle>();
      for await (const handle of loadWeights(backend, mtp ? [network, mtp] : [network], numerics, options)) {
        handles.set(handle.name, own(handle));
      }
      const cache = own(backend.allocCache(network.cache, pageCount(options.pages, network.cache)));
      const compile = async (program: Program) =>
        own(await backend.compile(program, { weights: handles, cache, numerics, ...limits }));
      const main = await compile(network);
      const mtpLayer = mtp && (await compile(mtp));
      return new NetworkRunner(network, main, mtpLayer, numerics, limits.maxRows, [...handles.values()], cache);
    } catch (error) {
      for (const handle of owned.reverse()) handle.close();
      throw error;
    }
  }

  /**
   * What load() would take without MTP layers, found from the headers alone.
   * @returns null where the backend cannot tell
   */
  static async predict(checkpoint: Checkpoint, backend: Backend, options: RunnerOptions): Promise<Prediction | null> {
    const { cacheDType, ...settled } = settle(checkpoint, backend, options);
    const network = recordNetwork(checkpoint.config, checkpoint.weights, options.taps, cacheDType);
    const memory = await backend.predictMemory?.(network, {
      pages: pageCount(options.pages, network.cache),
      ...settled,
    });
    return memory ? { numerics: settled.numerics, cacheType: cacheDType, memory } : null;
  }

  get hasMtp(): boolean {
    return this.#mtp !== null;
  }

  /** One step of the main network. */
  run(batch: Batch): Promise<Outputs> {
    return this.#network.run(batch);
  }

  /** One step of the MTP layer: row i has token i+1 at position i. @param hidden finalNorm of the main network, [T, hidden] */
  runMtp(batch: Batch, hidden: Float32Array): Promise<Outputs> {
    if (!this.#mtp) throw new Error("the MTP layer was not loaded");
    return this.#mtp.run(batch, { hidden });
  }

  close(): void {
    for (const handle of this.#owned) handle.close();
  }
}

function pageCount(pages: RunnerOptions["pages"], { pageSize, layers }: CacheLayout): number {
  if (typeof pages === "number") return pages;
  const pageBytes = layers.flat().reduce((sum, field) => sum + cacheRowBytes(field) * pageSize, 0);
  return pages(pageBytes);
}

/** What of the options is left to a backend and the file. */
function settle(
  checkpoint: Checkpoint,
  backend: Backend,
  { numerics: wanted = "exact", cacheType = "auto", ...limits }: RunnerOptions,
) {
  const numerics = chooseNumerics(checkpoint, backend, wanted);
  const cacheDType = cacheType !== "auto" ? cacheType : numerics === "fast" ? "f16" : "f32";
  const { maxRows = backend.describe().preferredRows, maxSeqs = 1 } = limits;
  return { numerics, cacheDType, maxRows, maxSeqs, maxLogitRows: limits.maxLogitRows ?? maxRows } as const;
}

/** The first layer's output projection, which every network has, speaks for the file. */
function chooseNumerics({ weights }: Checkpoint, backend: Backend, wanted: Numerics | "auto"): Numerics {
  if (wanted !== "auto") return wanted;
  const quantised = DTYPES[weights.layer(0, "o").dtype].blockElements > 1;
  return quantised && backend.describe().numerics.has("fast") ? "fast" : "exact";
}

async function* loadWeights(
  backend: Backend,
  programs: readonly Program[],
  numerics: Numerics,
  { onProgress, signal }: RunnerOptions,
): AsyncGenerator<WeightHandle> {
  const weights = new Map(programs.flatMap((program) => [...program.weights]));
  const bytes = new Map(
    [...weights].map(([name, { source }]) => [name, source.segments.reduce((sum, s) => sum + s.byteLength, 0)]),
  );
  const totalBytes = [...bytes.values()].reduce((a, b) => a + b, 0);
  let loadedBytes = 0;
  for (const [name, { source }] of weights) {
    signal?.throwIfAborted();
    const uses = new Set(programs.flatMap((program) => [...(program.weights.get(name)?.uses ?? [])]));
    yield await backend.loadWeight(source, uses, numerics);
    loadedBytes += bytes.get(name)!;
    onProgress?.({ loadedBytes, totalBytes });
  }
}
