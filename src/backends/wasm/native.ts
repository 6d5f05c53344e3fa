import { DTYPES, type DType } from "../../tensor/dtype.ts";
import type { Native, NativeCache, NativeExecutor, NativeFactory, NativeWeight } from "../kernels/native.ts";
import type { KernelModule } from "./module.ts";

/** The kernels in a module, by what kernels/bind/wasm/module.cpp exports. @param module owned from here on */
export async function moduleNative(module: KernelModule, target: string, threads: number): Promise<Native> {
  const pool = await module.call("pool_new", threads);
  const factory = (planned: boolean): NativeFactory => ({
    createWeight: (...shape) => ModuleWeight.create(module, pool, ...shape, planned),
    // A module sees no files.
    mapWeight: () => null,
    createCache: (...shape) => new ModuleCache(module, ...shape, planned),
    createExecutor: (...parts) => ModuleExecutor.create(module, pool, ...parts),
  });
  return { ...factory(false), planner: factory(true), target, threads, close: () => module.close() };
}

/** An object of the module, released once. */
class Handle {
  readonly module: KernelModule;
  readonly #release: string;
  #address: Promise<number> | null;

  constructor(module: KernelModule, address: Promise<number>, release: string) {
    this.module = module;
    this.#address = address;
    this.#release = release;
    quiet(address);
  }

  get address(): Promise<number> {
    return this.#address ?? Promise.reject(new Error("closed"));
  }

  close(): void {
    const address = this.#address;
    this.#address = null;
    if (address) quiet(address.then((at) => this.module.call(this.#release, at)));
  }
}

class ModuleWeight extends Handle implements NativeWeight {
  readonly mappedBytes = 0;
  readonly #pool: number;
  readonly #data: number;
  readonly #size: number;
  readonly #scales: number;
  readonly #scaleCount: number;
  #bytes: number;
  #keepsRows = true;

  static async create(
    module: KernelModule,
    pool: number,
    dtype: string,
    rows: number,
    cols: number,
    scaleBlock: number,
    planned: boolean,
  ) {
    const name = new TextEncoder().encode(`${dtype}\0`);
    const at = await module.call("weight_new", name, rows, cols, scaleBlock, Number(planned));
    const facts = ["weight_data", "weight_size", "weight_scales", "weight_scale_count"];
    const [data, size, scales, count] = await Promise.all(facts.map((fact) => module.call(fact, at)));
    return new ModuleWeight(module, pool, at, data!, size!, scales!, count!);
  }

  private constructor(
    module: KernelModule,
    pool: number,
    at: number,
    data: number,
    size: number,
    scales: number,
    count: number,
  ) {
    super(module, Promise.resolve(at), "weight_release");
    this.#pool = pool;
    this.#bytes = size + 4 * count;
    this.#data = data;
    this.#size = size;
    this.#scales = scales;
    this.#scaleCount = count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get keepsRows(): boolean {
    return this.#keepsRows;
  }

  async pack(groups: number, keepRows: boolean): Promise<boolean> {
    const at = await this.address;
    if ((await this.module.call("weight_pack", this.#pool, at, groups, keepRows ? 1 : 0)) === 0) return false;
    this.#bytes = await this.module.call("weight_bytes", at);
    this.#keepsRows = (await this.module.call("weight_keeps_rows", at)) !== 0;
    return true;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (offset + bytes.length > this.#size) throw new RangeError("bytes outside the weight");
    await this.address;
    await this.module.write(this.#data + offset, bytes);
  }

  async writeScales(offset: number, scales: Float32Array): Promise<void> {
    if (offset + scales.length > this.#scaleCount) throw new RangeError("scales outside the weight");
    await this.address;
    await this.module.write(this.#scales + 4 * offset, bytesOf(scales));
  }
}

class ModuleCache extends Handle implements NativeCache {
  readonly bytes: number;

  constructor(
    module: KernelModule,
    pageSize: number,
    pages: number,
    widths: readonly number[],
    dtypes: readonly string[],
    planned: boolean,
  ) {
    // kernels/cpu/dtype.h has the types in the order of DTYPES.
    const numbers = Uint32Array.from(dtypes, (dtype) => Object.keys(DTYPES).indexOf(dtype));
    const made = module.call(
      "cache_new",
      pageSize,
      pages,
      Uint32Array.from(widths),
      numbers,
      widths.length,
      Number(planned),
    );
    super(module, made, "cache_release");
    const rowBytes = widths.map((width, i) => {
      const { blockElements, blockBytes } = DTYPES[dtypes[i] as DType];
      return Math.ceil(width / blockElements) * blockBytes;
    });
    this.bytes = pageSize * pages * rowBytes.reduce((sum, bytes) => sum + bytes, 0);
  }

  async readPage(page: number, into: Uint8Array): Promise<void> {
    const copy = await this.module.call("memory_new", into.length);
    try {
      await this.module.call("cache_read_page", await this.address, page, copy, into.length);
      await this.module.read(copy, into);
    } finally {
      quiet(this.module.call("memory_release", copy));
    }
  }

  async writePage(page: number, bytes: Uint8Array): Promise<void> {
    await this.module.call("cache_write_page", await this.address, page, bytes, bytes.length);
  }
}

class ModuleExecutor extends Handle implements NativeExecutor {
  readonly scratchBytes: number;
  readonly #at: number;
  /** Calls without a result of their own: the next run waits for them and has their errors. */
  #prepared: Promise<unknown>[] = [];

  static async create(
    module: KernelModule,
    pool: number,
    plan: Uint32Array,
    weights: readonly NativeWeight[],
    cache: NativeCache,
  ) {
    const handles = await Promise.all(weights.map((weight) => (weight as ModuleWeight).address));
    const cacheAt = await (cache as ModuleCache).address;
    const list = Float64Array.from(handles);
    const at = await module.call("executor_new", pool, plan, plan.length, list, list.length, cacheAt);
    return new ModuleExecutor(module, at, await module.call("executor_scratch_bytes", at));
  }

  private constructor(module: KernelModule, at: number, scratchBytes: number) {
    super(module, Promise.resolve(at), "executor_release");
    this.#at = at;
    this.scratchBytes = scratchBytes;
  }

  setRows(
    tokens: Int32Array,
    positions: Int32Array,
    sequences: Int32Array,
    kinds: Uint8Array,
    logitRows: Int32Array,
    tableStarts: Int32Array,
    tables: Int32Array,
  ): void {
    const rows = [tokens, positions, sequences, kinds, tokens.length] as const;
    const logits = [logitRows, logitRows.length] as const;
    const pages = [tableStarts, tableStarts.length, tables, tables.length] as const;
    this.#prepare("executor_set_rows", ...rows, ...logits, ...pages);
  }

  poison(): void {
    this.#prepare("executor_poison");
  }

  write(value: number, contents: Float32Array): void {
    this.#prepare("executor_write", value, contents, contents.length);
  }

  copyFrom(value: number, other: NativeExecutor, otherValue: number, elements: number): void {
    this.#prepare("executor_copy", value, (other as ModuleExecutor).#at, otherValue, elements);
  }

  async read(value: number, into: Float32Array | Int32Array): Promise<void> {
    const address = await this.module.call("executor_value", this.#at, value, into.length);
    await this.module.read(address, bytesOf(into));
  }

  async run(): Promise<boolean> {
    const prepared = this.#prepared;
    this.#prepared = [];
    const finished = this.module.call("executor_run", this.#at);
    quiet(finished);
    await Promise.all(prepared);
    return (await finished) !== 0;
  }

  #prepare(
    name: string,
    ...args: Parameters<KernelModule["call"]> extends [string, ...infer Rest] ? Rest : never
  ): void {
    const done = this.module.call(name, this.#at, ...args);
    quiet(done);
    this.#prepared.push(done);
  }
}

/** Its error is told elsewhere, or nobody is left to hear it. */
function quiet(promise: Promise<unknown>): void {
  promise.catch(() => undefined);
}

function bytesOf(values: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
