import type { MemoryUse, WeightHandle } from "./backend.ts";

/** What these weights take, with a cache and scratch of so many bytes. */
export function memoryUse(weights: Iterable<WeightHandle>, cache: number, scratch: number): MemoryUse {
  const use = { weights: 0, mapped: 0, tables: 0, cache, scratch };
  for (const { bytes, mappedBytes = 0, tableBytes = 0 } of weights) {
    use.weights += bytes;
    use.mapped += mappedBytes;
    use.tables += tableBytes;
  }
  return use;
}

/** By how much a process grows that has read a long prompt; the tables come in only where rows are looked up. */
export function processBytes({ weights, mapped, cache, scratch }: MemoryUse): number {
  return weights + mapped + cache + scratch;
}
