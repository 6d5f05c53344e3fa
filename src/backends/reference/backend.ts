import { BackendUnavailableError, UnsupportedOpError } from "../../errors.ts";
import { inOrder, planArena } from "../../tensor/arena.ts";
import type {
  Backend,
  CacheHandle,
  Caps,
  CompileOptions,
  Executable,
  MemoryOptions,
  MemoryUse,
  WeightHandle,
} from "../../tensor/backend.ts";
import { readWeight } from "../../tensor/decode/read-weight.ts";
import type { DType } from "../../tensor/dtype.ts";
import { DTYPES } from "../../tensor/dtype.ts";
import type { CacheLayout, Program } from "../../tensor/program.ts";
import { CACHE_DTYPES, OP_KINDS } from "../../tensor/program.ts";
import type { WeightSource } from "../../tensor/weight.ts";
import { ReferenceCache } from "./cache.ts";
import { ReferenceExecutable } from "./executable.ts";
import type { Owner } from "./owner.ts";
import { StepQueue } from "./step-queue.ts";
import { ReferenceWeight } from "./weight.ts";

/** Rows after which a step of the reference backend should end, so that the event loop is not kept waiting. */
const PREFERRED_ROWS = 32;

/** The readable meaning of every op: plain TypeScript, f32 buffers, one file per group of ops. */
export function openReference(): Backend {
  return new ReferenceBackend();
}

class ReferenceBackend implements Backend {
  readonly #open: Owner = new Set();
  readonly #queue = new StepQueue();
  #closed = false;

  describe(): Caps {
    return {
      name: "reference",
      device: "JavaScript, one thread",
      threads: 1,
      ops: new Set(OP_KINDS),
      weightDTypes: new Set(Object.keys(DTYPES) as DType[]),
      cacheDTypes: new Set(CACHE_DTYPES),
      numerics: new Set(["exact"]),
      preferredRows: PREFERRED_ROWS,
    };
  }

  async loadWeight(source: WeightSource): Promise<WeightHandle> {
    this.#use();
    if (!Object.hasOwn(DTYPES, source.dtype)) {
      throw new UnsupportedOpError("reference", `weights of type ${source.dtype} (${source.name})`);
    }
    const data = await readWeight(source);
    this.#use();
    return new ReferenceWeight(source.name, source.shape, data, this.#open);
  }

  allocCache(layout: CacheLayout, pages: number): CacheHandle {
    this.#use();
    for (const field of layout.layers.flat()) {
      if (!CACHE_DTYPES.includes(field.dtype))
        throw new UnsupportedOpError("reference", `a cache of type ${field.dtype}`);
    }
    return new ReferenceCache(layout, pages, this.#queue, this.#open);
  }

  async compile(program: Program, options: CompileOptions): Promise<Executable> {
    this.#use();
    if (options.numerics !== "exact") throw new UnsupportedOpError("reference", `${options.numerics} numerics`);
    const { ops } = this.describe();
    for (const { kind } of program.ops) if (!ops.has(kind)) throw new UnsupportedOpError("reference", `op ${kind}`);
    return new ReferenceExecutable(program, options, this.#queue, this.#open);
  }

  /** Every weight becomes f32, as the cache is. */
  async predictMemory(program: Program, options: MemoryOptions): Promise<MemoryUse> {
    this.#use();
    if (options.numerics !== "exact") throw new UnsupportedOpError("reference", `${options.numerics} numerics`);
    const elements = [...program.weights.values()].map(({ source }) => source.shape.reduce((a, b) => a * b, 1));
    const { pageSize, layers } = program.cache;
    const widths = layers.flat().reduce((sum, { width }) => sum + width, 0);
    return {
      weights: 4 * elements.reduce((a, b) => a + b, 0),
      mapped: 0,
      tables: 0,
      cache: 4 * options.pages * pageSize * widths,
      scratch: planArena(inOrder(program), options).bytes,
    };
  }

  close(): void {
    this.#closed = true;
    for (const handle of this.#open) handle.close();
  }

  #use(): void {
    if (this.#closed) throw new BackendUnavailableError("reference", "it is closed");
  }
}
