import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { BackendUnavailableError } from "../../errors.ts";
import type { MachineSpeed } from "../../tensor/backend.ts";
import type { Native, NativeCache, NativeExecutor, NativeFactory, NativeWeight } from "../kernels/native.ts";

/** What kernels/bind/napi/addon.cpp exports. Closing twice does no harm; using a closed object throws. */
export interface Addon {
  readonly Pool: new (threads: number, target: string | null) => AddonPool;
  readonly Weight: new (
    pool: AddonPool,
    dtype: string,
    rows: number,
    cols: number,
    scaleBlock: number,
    planned: boolean,
  ) => AddonWeight;
  readonly Cache: new (
    pageSize: number,
    pages: number,
    widths: readonly number[],
    dtypes: readonly string[],
    planned: boolean,
  ) => NativeCache;
  readonly Executor: new (
    pool: AddonPool,
    plan: Uint32Array,
    weights: readonly NativeWeight[],
    cache: NativeCache,
  ) => NativeExecutor;
  /** The targets of this build, the best first, and whether this CPU runs them. */
  targets(): { readonly name: string; readonly runs: boolean }[];
  /** Of all weights, caches and executors of the process: the bytes of their buffers, and how many of these were ever made. */
  buffers(): { readonly bytes: number; readonly made: number };
  dtypes(): { readonly name: string; readonly blockElements: number; readonly blockBytes: number }[];
}

/** Has no memory until it is allocated or mapped. */
export interface AddonWeight extends NativeWeight {
  allocate(): void;
  /** @returns whether the system can map files */
  map(file: string, starts: readonly number[]): boolean;
}

export interface AddonPool {
  readonly target: string;
  /** @returns the first row with a value that cannot be stored; the number of rows where there is none */
  encode(
    from: string,
    bytes: Uint8Array,
    columns: number,
    to: string,
    out: Uint8Array,
    importance: Float32Array | null,
    rowsPerImportance: number,
  ): Promise<number>;
  measure(): Promise<MachineSpeed>;
  /** A step under way ends soon. */
  close(): void;
}

/** The addon with threads of its own. */
export function openAddon(addon: Addon, threads: number, target: string | null): Native {
  const pool = new addon.Pool(threads, target);
  const factory = (planned: boolean): NativeFactory => ({
    async createWeight(...shape) {
      const weight = new addon.Weight(pool, ...shape, planned);
      weight.allocate();
      return weight;
    },
    mapWeight(dtype, rows, cols, file, starts) {
      const weight = new addon.Weight(pool, dtype, rows, cols, 0, planned);
      return weight.map(file, starts) ? weight : null;
    },
    createCache: (...shape) => new addon.Cache(...shape, planned),
    createExecutor: async (...parts) => new addon.Executor(pool, ...parts),
  });
  return {
    ...factory(false),
    planner: factory(true),
    target: pool.target,
    threads,
    measure: () => pool.measure(),
    close: () => pool.close(),
  };
}

/**
 * Loads the addon: build/Release/ of a checkout, or prebuilds/<platform>-<arch>/ of the package.
 * @throws BackendUnavailableError
 */
export function loadAddon(): Addon {
  const require = createRequire(import.meta.url);
  // src/backends/cpu/ and dist/backends/cpu/ lie equally deep.
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  try {
    return (require("node-gyp-build") as (root: string) => Addon)(root);
  } catch (cause) {
    const why = (cause as Error).message.split("\n")[0];
    throw new BackendUnavailableError(
      "cpu",
      `the native addon cannot be loaded (${why}); \`npm run build:native\` builds it`,
      {
        cause,
      },
    );
  }
}
