import type { DType } from "./dtype.ts";
import type { CacheDType, CacheLayout, OpKind, Program, WeightUse } from "./program.ts";
import type { WeightSource } from "./weight.ts";

/**
 * What executes Programs. The one interface between the model and any hardware; test/conformance holds every
 * implementation to it. Callers ask describe(), never a backend's name.
 *
 * Ownership: a backend owns everything it hands out. close() of a handle frees that handle; close() of the backend
 * frees all. Using anything after its close() throws.
 */
export interface Backend {
  describe(): Caps;
  /**
   * Reads a weight once and keeps it in the backend's own layout.
   * @param uses how Programs will read it: the layout may depend on it
   * @param numerics of the Programs that will read it, likewise; default exact. One loaded for fast numerics may not serve exact ones.
   * @throws UnsupportedOpError for a dtype that Caps does not list
   */
  loadWeight(source: WeightSource, uses: ReadonlySet<WeightUse>, numerics?: Numerics): Promise<WeightHandle>;
  /** Reserves `pages` pages; page ids are 0..pages-1. Contents are undefined until written. */
  allocCache(layout: CacheLayout, pages: number): CacheHandle;
  /**
   * Plans memory and prepares kernels. Everything a run needs is allocated here.
   * @throws UnsupportedOpError for an op or numerics that Caps does not list
   */
  compile(program: Program, options: CompileOptions): Promise<Executable>;
  /**
   * What loading the Program's weights, reserving the cache and compiling would take, found without reading a weight.
   * Absent where a backend cannot tell.
   */
  predictMemory?(program: Program, options: MemoryOptions): Promise<MemoryUse>;
  /** What the hardware reaches at best, measured now; steps wait meanwhile. Absent where a backend cannot tell. */
  measure?(): Promise<MachineSpeed>;
  close(): void;
}

/** The capability table of a backend. */
export interface Caps {
  readonly name: string;
  /** One line for people: what it runs on. */
  readonly device: string;
  /** Threads that compute; absent where that means nothing. */
  readonly threads?: number;
  readonly ops: ReadonlySet<OpKind>;
  readonly weightDTypes: ReadonlySet<DType>;
  readonly cacheDTypes: ReadonlySet<CacheDType>;
  readonly numerics: ReadonlySet<Numerics>;
  /** Rows of a prompt that are best read in one step. */
  readonly preferredRows: number;
}

/** Bytes that a Program takes in a backend, ready to run. */
export interface MemoryUse {
  /** Weights in the process' own memory. */
  readonly weights: number;
  /** Weights that are read where they lie in a file, all of them in a step of many rows. */
  readonly mapped: number;
  /** Tables that are read where they lie in a file, only the rows that are looked up. */
  readonly tables: number;
  readonly cache: number;
  readonly scratch: number;
}

export interface MemoryOptions extends Omit<CompileOptions, "weights" | "cache" | "poison"> {
  /** Of the cache. */
  readonly pages: number;
}

/** The scale that speeds are read against, all per second. */
export interface MachineSpeed {
  /** Bytes read from memory. */
  readonly read: number;
  /** Bytes copied, each counted once. */
  readonly copy: number;
  /** f32 operations; a multiply-add is two. */
  readonly flops: number;
}

/** exact: f32 activations and cache, meets every golden. fast: quantised activations, held to KL and argmax agreement. */
export type Numerics = "exact" | "fast";

export interface CompileOptions {
  /** Handle of every weight of the Program, by name. */
  readonly weights: ReadonlyMap<string, WeightHandle>;
  /** May be shared by several Programs; its layout holds at least the layers the Program uses. */
  readonly cache: CacheHandle;
  readonly maxRows: number;
  readonly maxSeqs: number;
  readonly maxLogitRows: number;
  readonly numerics: Numerics;
  /** Fill every buffer with NaN (integers: a huge negative number) before each run, so that an unwritten element shows. Default false. */
  readonly poison?: boolean;
}

export interface WeightHandle {
  readonly name: string;
  /** Bytes it occupies in the backend. */
  readonly bytes: number;
  /** Bytes of a file that products read where they lie: the system's memory, given back when there is need. Default 0. */
  readonly mappedBytes?: number;
  /** Likewise of a table, of which only rows are looked up. Default 0. */
  readonly tableBytes?: number;
  close(): void;
}

export interface CacheHandle {
  readonly layout: CacheLayout;
  readonly pages: number;
  readonly bytes: number;
  /** Of one page: all fields of all layers, as the backend lays them. */
  readonly pageBytes: number;
  /**
   * How pages are laid and who computed them: a page of another cache means the same in this one, to the last bit, where
   * this and the layout are the same.
   */
  readonly pageFormat: string;
  /** Copies a page out, after the runs that were asked for before and before those that come later. */
  readPage(page: number): Promise<Uint8Array>;
  /**
   * Puts a page in that `readPage` copied out, in the same order.
   * @param bytes must not change meanwhile
   * @throws PageError where the cache has no such page or a page is not of that many bytes; nothing is copied then
   */
  writePage(page: number, bytes: Uint8Array): Promise<void>;
  close(): void;
}

export interface Executable {
  /** Bytes of activations and scratch, fixed at compile time. */
  readonly scratchBytes: number;
  /**
   * Runs all ops for the rows of one step. Runs are carried out in the order of the calls, also across Executables of
   * one backend, and never block the event loop for long.
   * @param inputs for every input of the Program: an output of another run of the same backend, or plain values
   * @returns the Program's outputs; they stay valid until the next run of this Executable
   */
  run(batch: Batch, inputs?: Readonly<Record<string, DeviceBuffer | Float32Array>>): Promise<Outputs>;
  close(): void;
}

export type Outputs = Readonly<Record<string, DeviceBuffer>>;

/** A buffer that lives where the backend computes. */
export interface DeviceBuffer {
  readonly shape: readonly number[];
  readonly dtype: "f32" | "i32";
  /**
   * Copies the contents out.
   * @param into where to, of the buffer's dtype and at least its size; default an array of its own
   * @returns the contents: the beginning of `into`, or that array
   */
  read(into?: Float32Array | Int32Array): Promise<Float32Array | Int32Array>;
}

/** The rows of one step. All arrays have one entry a row (T) unless said otherwise. */
export interface Batch {
  readonly tokens: Int32Array;
  /** Absolute position of the row in its sequence; rows of one sequence are in ascending order. */
  readonly positions: Int32Array;
  /** Index into blockTables. */
  readonly sequences: Int32Array;
  /** ROW_PROMPT or ROW_GENERATED. The form of attention may depend on it, so it stays with a token for good. */
  readonly kinds: Uint8Array;
  /** Per sequence: page ids; entry p holds positions p * pageSize .. (p + 1) * pageSize - 1. */
  readonly blockTables: readonly Int32Array[];
  /** Indices of the rows whose logits are wanted, ascending; may be empty. */
  readonly logitRows: Int32Array;
}

export const ROW_PROMPT = 0;
/** A generated row, or a draft that is being verified. */
export const ROW_GENERATED = 1;
