import type { CacheDType, CacheField, CacheLayout } from "../tensor/program.ts";
import type { ModelConfig } from "./config.ts";

/** Positions per page. Divides the 256 positions at which attention splits the cache (DESIGN: Determinism). */
export const PAGE_SIZE = 32;

/**
 * The type of a field in a cache of type q8_0: rope keys and indexer keys stay f16. Both decide where attention looks, their
 * few channels differ in size by orders of magnitude within a block of 32, and they are a ninth of the bytes.
 */
function fieldDType(name: CacheField["name"], dtype: CacheDType): CacheDType {
  return dtype === "q8_0" && (name === "kRope" || name === "indexKey") ? "f16" : dtype;
}

/**
 * What the cache holds for a token, per layer: latent attention keeps the normalised latent and the rotated key that
 * all heads share (V3.2: one indexer key more); grouped-query attention keeps keys and values. The MTP layers follow the
 * decoder layers.
 */
export function cacheLayout(config: ModelConfig, dtype: CacheDType = "f32"): CacheLayout {
  const { attention } = config;
  const field = (name: CacheField["name"], width: number): CacheField => ({
    name,
    width,
    dtype: fieldDType(name, dtype),
  });
  const layer =
    attention.kind === "mla"
      ? [
          field("latent", attention.kvLoraRank),
          field("kRope", attention.qkRopeHeadDim),
          ...(attention.indexer ? [field("indexKey", attention.indexer.headDim)] : []),
        ]
      : [
          field("key", attention.numKeyValueHeads * attention.headDim),
          field("value", attention.numKeyValueHeads * attention.headDim),
        ];
  const layers = config.numHiddenLayers + config.numNextnPredictLayers;
  return { pageSize: PAGE_SIZE, layers: Array.from({ length: layers }, () => layer) };
}
