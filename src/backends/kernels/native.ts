import type { MachineSpeed } from "../../tensor/backend.ts";

/**
 * What kernels/ gives JavaScript, as machine code or as WebAssembly, with the threads that compute. Closing twice does no
 * harm; using a closed object throws or rejects. Memory may lie where only another thread reaches it, so that errors of a
 * call without a result may come with the next one that has a promise.
 */
export interface Native {
  /** Instruction set of the kernels. */
  readonly target: string;
  readonly threads: number;
  /** @param scaleBlock columns that share a scale, 0 for none */
  createWeight(dtype: string, rows: number, cols: number, scaleBlock: number): Promise<NativeWeight>;
  createCache(pageSize: number, pages: number, widths: readonly number[]): NativeCache;
  createExecutor(plan: Uint32Array, weights: readonly NativeWeight[], cache: NativeCache): Promise<NativeExecutor>;
  /** What the machine reaches with these threads; no step may run meanwhile. */
  measure?(): Promise<MachineSpeed>;
  /** A step under way ends soon. */
  close(): void;
}

export interface NativeWeight {
  readonly bytes: number;
  /** `bytes` must not change meanwhile. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** @param offset in scales */
  writeScales(offset: number, scales: Float32Array): Promise<void>;
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
  read(value: number, into: Float32Array | Int32Array): Promise<void>;
  /** @returns false when the host was closed meanwhile */
  run(): Promise<boolean>;
  close(): void;
}
