import { BackendUnavailableError, UnsupportedOpError } from "../../errors.ts";
import type { Backend, CacheHandle, Caps, CompileOptions, Executable, WeightHandle } from "../../tensor/backend.ts";
import type { DType } from "../../tensor/dtype.ts";
import { DTYPES } from "../../tensor/dtype.ts";
import type { CacheLayout, Program, WeightUse } from "../../tensor/program.ts";
import { OP_KINDS } from "../../tensor/program.ts";
import type { WeightSource } from "../../tensor/weight.ts";
import { CpuCache } from "./cache.ts";
import { CpuExecutable, type RunQueue } from "./executable.ts";
import { loadNative, type Native, type NativePool } from "./native.ts";
import { physicalCores } from "./threads.ts";
import { CpuWeight } from "./weight.ts";

export interface CpuOptions {
  /** Threads that compute. Default: the physical cores that this process may use. */
  readonly threads?: number;
  /** Instruction set by name (scalar, avx2, avx512). Default: DEEPTS_CPU_TARGET, else the best this CPU has. */
  readonly target?: string;
}

/** Rows after which a longer prompt gains little more from reading a weight once for all of them. */
const PREFERRED_ROWS = 512;
const MAX_THREADS = 256;

/**
 * The C++ kernels of kernels/cpu/ on threads of their own.
 * @throws BackendUnavailableError where the addon cannot be loaded, or the target is unknown or cannot run here
 */
export function openCpu(options: CpuOptions = {}): Backend {
  const threads = options.threads ?? physicalCores();
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new BackendUnavailableError("cpu", `threads: want 1 to ${MAX_THREADS}, got ${threads}`);
  }
  const native = loadNative();
  const target = options.target ?? (process.env.DEEPTS_CPU_TARGET || null);
  if (target !== null) checkTarget(native, target);
  return new CpuBackend(native, threads, target);
}

/** Why there is no cpu backend on this machine, or null. A wrong target or number of threads is the caller's, and not in here. */
export function nativeProblem(): BackendUnavailableError | null {
  try {
    loadNative();
    return null;
  } catch (error) {
    if (error instanceof BackendUnavailableError) return error;
    throw error;
  }
}

function checkTarget(native: Native, target: string): void {
  const targets = native.targets();
  const found = targets.find(({ name }) => name === target);
  if (found?.runs) return;
  const why = found ? "this CPU cannot run it" : `unknown; want one of ${targets.map(({ name }) => name).join(", ")}`;
  throw new BackendUnavailableError("cpu", `target ${target} (DEEPTS_CPU_TARGET): ${why}`);
}

class CpuBackend implements Backend {
  readonly #native: Native;
  readonly #threads: number;
  readonly #target: string;
  readonly #pool: NativePool;
  readonly #open = new Set<{ close(): void }>();
  readonly #queue: RunQueue = { tail: Promise.resolve() };
  #closed = false;

  constructor(native: Native, threads: number, target: string | null) {
    this.#native = native;
    this.#threads = threads;
    this.#pool = new native.Pool(threads, target);
    this.#target = this.#pool.target;
  }

  describe(): Caps {
    const threads = this.#threads === 1 ? "one thread" : `${this.#threads} threads`;
    return {
      name: "cpu",
      device: `${this.#target}, ${threads}`,
      ops: new Set(OP_KINDS),
      weightDTypes: new Set(Object.keys(DTYPES) as DType[]),
      cacheDTypes: new Set(["f32"]),
      numerics: new Set(["exact"]),
      preferredRows: PREFERRED_ROWS,
    };
  }

  async loadWeight(source: WeightSource, uses: ReadonlySet<WeightUse>): Promise<WeightHandle> {
    this.#use();
    if (!Object.hasOwn(DTYPES, source.dtype)) {
      throw new UnsupportedOpError("cpu", `weights of type ${source.dtype} (${source.name})`);
    }
    const weight = this.#own(await CpuWeight.load(this.#native, source, uses));
    if (this.#closed) weight.close();
    this.#use();
    return weight;
  }

  allocCache(layout: CacheLayout, pages: number): CacheHandle {
    this.#use();
    for (const field of layout.layers.flat()) {
      if (field.dtype !== "f32") throw new UnsupportedOpError("cpu", `a cache of type ${field.dtype}`);
    }
    return this.#own(new CpuCache(this.#native, layout, pages));
  }

  async compile(program: Program, options: CompileOptions): Promise<Executable> {
    this.#use();
    if (options.numerics !== "exact") throw new UnsupportedOpError("cpu", `${options.numerics} numerics`);
    for (const op of program.ops) {
      if (!OP_KINDS.includes(op.kind)) throw new UnsupportedOpError("cpu", `op ${op.kind}`);
    }
    return this.#own(new CpuExecutable(this.#native, this.#pool, program, options, this.#queue));
  }

  close(): void {
    this.#closed = true;
    this.#pool.close();
    for (const handle of this.#open) handle.close();
    this.#open.clear();
  }

  #use(): void {
    if (this.#closed) throw new BackendUnavailableError("cpu", "it is closed");
  }

  #own<H extends { close(): void }>(handle: H): H {
    this.#open.add(handle);
    return handle;
  }
}
