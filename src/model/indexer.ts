import type { Value } from "../tensor/program.ts";
import type { Recorder, Rotation } from "../tensor/recorder.ts";
import type { MlaConfig } from "./config.ts";
import type { LayerWeightName, ModelWeights } from "./weights.ts";

/** torch's default for a LayerNorm given no eps by the model. */
const INDEXER_NORM_EPS = 1e-6;

/**
 * DeepSeek-V3.2's sparse attention: a small scorer picks the positions that latent attention reads.
 * Source: DeepSeek-V3.2-Exp report section 2 and its inference code. Here the rotated part comes first in a head and pairs
 * are (i, i + d/2). The reference scales scores by heads^-0.5 * headDim^-0.5; a positive factor does not change a choice.
 * @param x       [T, hidden], after the layer's first norm
 * @param qLatent [T, qLoraRank], the normalised latent of the query
 * @returns i32 [T, topK] positions
 */
export function lightningIndexer(
  g: Recorder,
  weights: ModelWeights,
  layer: number,
  x: Value,
  qLatent: Value,
  c: NonNullable<MlaConfig["indexer"]>,
  rotation: Rotation,
): Value {
  const ropeDim = 2 * rotation.frequencies.length;
  const rotateFirst = (value: Value): Value => {
    const [rotated, plain] = g.split(value, [ropeDim, c.headDim - ropeDim]);
    return g.concat([g.rope(rotated, "half", rotation), plain]);
  };
  const w = (name: LayerWeightName) => weights.layer(layer, name);
  const q = g.linear(qLatent, w("indexerQB"), { dims: [c.numHeads, c.headDim] });
  const k = g.layerNorm(g.linear(x, w("indexerK")), w("indexerKNorm"), w("indexerKNormBias"), INDEXER_NORM_EPS);
  g.cacheWrite(layer, "indexKey", rotateFirst(k));
  const headWeights = g.linear(x, w("indexerHeadWeights"));
  return g.indexerSelect(layer, rotateFirst(q), headWeights, c.topK);
}
