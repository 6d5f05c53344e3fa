import type { MachineSpeed } from "../../tensor/backend.ts";

/**
 * What kernels/ gives JavaScript, as machine code or as WebAssembly, with the threads that compute. Closing twice does no
 * harm; using a closed object throws or rejects. Memory may lie where only another thread reaches it, so that errors of a
 * call without a result may come with the next one that has a promise.
 */
export interface Native extends NativeFactory {
  /** Instruction set of the kernels. */
  readonly target: string;
  readonly threads: number;
  /** Makes objects that have their sizes only: nothing can be written to them, and a run with them fails. */
  readonly planner: NativeFactory;
  /** What the machine reaches with these threads; no step may run meanwhile. */
  measure?(): Promise<MachineSpeed>;
  /** A step under way ends soon. */
  close(): void;
}

export interface NativeFactory {
  /** @param scaleBlock columns that share a scale, 0 for none */
  createWeight(dtype: string, rows: number, cols: number, scaleBlock: number): Promise<NativeWeight>;
  /**
   * A weight whose rows stay in the file: nothing is read before it is needed.
   * @param starts byte offset of each run of rows in the file; the runs are equally long
   * @returns null where files cannot be mapped
   */
  mapWeight(dtype: string, rows: number, cols: number, file: string, starts: readonly number[]): NativeWeight | null;
  /** @param dtypes of the fields, as DType names them */
  createCache(pageSize: number, pages: number, widths: readonly number[], dtypes: readonly string[]): NativeCache;
  createExecutor(plan: Uint32Array, weights: readonly NativeWeight[], cache: NativeCache): Promise<NativeExecutor>;
}

export interface NativeWeight {
  /** Of the process' own memory. */
  readonly bytes: number;
  /** Of a file that is mapped. */
  readonly mappedBytes: number;
  /** Whether the stored blocks are there, not only the packed form. */
  readonly keepsRows: boolean;
  /** `bytes` must not change meanwhile. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** @param offset in scales */
  writeScales(offset: number, scales: Float32Array): Promise<void>;
  /**
   * Lays the rows, as `groups` matrices of equal size, the way that products of fast numerics read them, on all threads.
   * @param keepRows whether the stored blocks in the process' own memory stay as well
   * @param whenChosen the matrices are experts: each may wait until a step chooses it, where its rows stay in a file
   * @returns false, with nothing changed, for a type or size that has no such form
   */
  pack(groups: number, keepRows: boolean, whenChosen: boolean): Promise<boolean>;
  close(): void;
}

export interface NativeCache {
  readonly bytes: number;
  /** Copies a page out, field after field. No step may run meanwhile. @param into as long as a page */
  readPage(page: number, into: Uint8Array): Promise<void>;
  /** Likewise in. */
  writePage(page: number, bytes: Uint8Array): Promise<void>;
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
