import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { BackendUnavailableError } from "../../errors.ts";

/** What kernels/bind/napi/addon.cpp exports. Closing twice does no harm; using a closed object throws. */
export interface Native {
  readonly Pool: new (threads: number, target: string | null) => NativePool;
  readonly Weight: new (dtype: string, rows: number, cols: number, scaleBlock: number) => NativeWeight;
  readonly Cache: new (pageSize: number, pages: number, widths: readonly number[]) => NativeCache;
  readonly Executor: new (
    pool: NativePool,
    plan: Uint32Array,
    weights: readonly NativeWeight[],
    cache: NativeCache,
  ) => NativeExecutor;
  /** The targets of this build, the best first, and whether this CPU runs them. */
  targets(): { readonly name: string; readonly runs: boolean }[];
  dtypes(): { readonly name: string; readonly blockElements: number; readonly blockBytes: number }[];
}

export interface NativePool {
  readonly target: string;
  /** A step under way ends soon. */
  close(): void;
}

export interface NativeWeight {
  readonly bytes: number;
  /** Copies off the event loop; `bytes` must not change meanwhile. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** @param offset in scales */
  writeScales(offset: number, scales: Float32Array): void;
  close(): void;
}

export interface NativeCache {
  readonly bytes: number;
  close(): void;
}

/** One step at a time; a step under way keeps alive what it needs. */
export interface NativeExecutor {
  readonly scratchBytes: number;
  setRows(
    tokens: Int32Array,
    positions: Int32Array,
    sequences: Int32Array,
    kinds: Uint8Array,
    logitRows: Int32Array,
    tableStarts: Int32Array,
    tables: Int32Array,
  ): void;
  poison(): void;
  write(value: number, contents: Float32Array): void;
  copyFrom(value: number, other: NativeExecutor, otherValue: number, elements: number): void;
  read(value: number, into: Float32Array | Int32Array): void;
  /** @returns false when the pool was closed meanwhile */
  run(): Promise<boolean>;
  close(): void;
}

/**
 * Loads the addon: build/Release/ of a checkout, or prebuilds/<platform>-<arch>/ of the package.
 * @throws BackendUnavailableError
 */
export function loadNative(): Native {
  const require = createRequire(import.meta.url);
  // src/backends/cpu/ and dist/backends/cpu/ lie equally deep.
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  try {
    return (require("node-gyp-build") as (root: string) => Native)(root);
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
