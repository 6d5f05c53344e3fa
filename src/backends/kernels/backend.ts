import { BackendUnavailableError, UnsupportedOpError } from "../../errors.ts";
import type {
  Backend,
  CacheHandle,
  Caps,
  CompileOptions,
  Executable,
  MachineSpeed,
  MemoryOptions,
  MemoryUse,
  Numerics,
  WeightHandle,
} from "../../tensor/backend.ts";
import type { DType } from "../../tensor/dtype.ts";
import { DTYPES } from "../../tensor/dtype.ts";
import { memoryUse } from "../../tensor/memory-use.ts";
import type { CacheLayout, Program, WeightUse } from "../../tensor/program.ts";
import { CACHE_DTYPES, OP_KINDS } from "../../tensor/program.ts";
import type { WeightSource } from "../../tensor/weight.ts";
import { KernelCache } from "./cache.ts";
import { KernelExecutable } from "./executable.ts";
import type { Native, NativeFactory } from "./native.ts";
import type { RunQueue } from "./run-queue.ts";
import { KernelWeight, leave } from "./weight.ts";

/** Rows after which a longer prompt gains little more from reading a weight once for all of them. */
const PREFERRED_ROWS = 512;

const NUMERICS: ReadonlySet<Numerics> = new Set(["exact", "fast"]);

/** A backend whose ops are the C++ of kernels/, whatever they were compiled to. */
export class KernelBackend implements Backend {
  readonly #name: string;
  readonly #native: Native;
  readonly #open = new Set<{ close(): void }>();
  readonly #queue: RunQueue = { tail: Promise.resolve() };
  /** Absent where the kernels cannot tell. */
  readonly measure?: () => Promise<MachineSpeed>;
  #closed = false;

  /** @param native owned from here on */
  constructor(name: string, native: Native) {
    this.#name = name;
    this.#native = native;
    if (native.measure) this.measure = () => this.#exclusive(async () => native.measure!());
  }

  describe(): Caps {
    const { target, threads } = this.#native;
    return {
      name: this.#name,
      device: `${target}, ${threads === 1 ? "one thread" : `${threads} threads`}`,
      threads,
      ops: new Set(OP_KINDS),
      weightDTypes: new Set(Object.keys(DTYPES) as DType[]),
      cacheDTypes: new Set(CACHE_DTYPES),
      numerics: NUMERICS,
      preferredRows: PREFERRED_ROWS,
    };
  }

  async loadWeight(
    source: WeightSource,
    uses: ReadonlySet<WeightUse>,
    numerics: Numerics = "exact",
  ): Promise<WeightHandle> {
    this.#use();
    if (!Object.hasOwn(DTYPES, source.dtype)) {
      throw new UnsupportedOpError(this.#name, `weights of type ${source.dtype} (${source.name})`);
    }
    const weight = this.#own(await KernelWeight.load(this.#name, this.#native, source, uses, numerics, this.#queue));
    if (this.#closed) weight.close();
    this.#use();
    return weight;
  }

  allocCache(layout: CacheLayout, pages: number): CacheHandle {
    this.#use();
    for (const field of layout.layers.flat()) {
      if (!CACHE_DTYPES.includes(field.dtype))
        throw new UnsupportedOpError(this.#name, `a cache of type ${field.dtype}`);
    }
    return this.#own(this.#cacheOf(this.#native, layout, pages));
  }

  async compile(program: Program, options: CompileOptions): Promise<Executable> {
    this.#use();
    this.#check(program, options.numerics);
    return this.#own(await KernelExecutable.compile(this.#name, this.#native, program, options, this.#queue));
  }

  async predictMemory(program: Program, { pages, ...limits }: MemoryOptions): Promise<MemoryUse> {
    this.#use();
    this.#check(program, limits.numerics);
    const { planner } = this.#native;
    const owned: { close(): void }[] = [];
    const own = <H extends { close(): void }>(handle: H): H => {
      owned.push(handle);
      return handle;
    };
    try {
      const weights = new Map<string, KernelWeight>();
      for (const [name, { source, uses }] of program.weights) {
        const weight = await KernelWeight.load(this.#name, planner, source, uses, limits.numerics, this.#queue, leave);
        weights.set(name, own(weight));
      }
      const cache = own(this.#cacheOf(planner, program.cache, pages));
      const options = { ...limits, weights, cache };
      const executable = own(await KernelExecutable.compile(this.#name, planner, program, options, this.#queue));
      return memoryUse(weights.values(), cache.bytes, executable.scratchBytes);
    } finally {
      for (const handle of owned.reverse()) handle.close();
    }
  }

  close(): void {
    this.#closed = true;
    this.#native.close();
    for (const handle of this.#open) handle.close();
    this.#open.clear();
  }

  #cacheOf(native: NativeFactory, layout: CacheLayout, pages: number): KernelCache {
    return new KernelCache(this.#name, this.#native.target, native, layout, pages, this.#queue);
  }

  /** @throws UnsupportedOpError */
  #check(program: Program, numerics: Numerics): void {
    if (!NUMERICS.has(numerics)) throw new UnsupportedOpError(this.#name, `${numerics} numerics`);
    for (const op of program.ops) {
      if (!OP_KINDS.includes(op.kind)) throw new UnsupportedOpError(this.#name, `op ${op.kind}`);
    }
  }

  /** Work in the order of the runs. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    this.#use();
    const turn = this.#queue.tail.then(work);
    this.#queue.tail = turn.catch(() => undefined);
    return turn;
  }

  #use(): void {
    if (this.#closed) throw new BackendUnavailableError(this.#name, "it is closed");
  }

  #own<H extends { close(): void }>(handle: H): H {
    this.#open.add(handle);
    return handle;
  }
}
