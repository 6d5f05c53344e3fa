import type { Value } from "../tensor/program.ts";
import type { Recorder, Rotation } from "../tensor/recorder.ts";
import type { GqaConfig, RopeConfig } from "./config.ts";
import type { LayerWeightName, ModelWeights } from "./weights.ts";

/**
 * Grouped-query attention of one layer (Llama, Qwen2: the R1 distils). Source: arXiv:2305.13245.
 * @param x [T, hidden], after the layer's first norm
 * @returns [T, hidden], before the residual is added
 */
export function gqa(
  g: Recorder,
  weights: ModelWeights,
  layer: number,
  x: Value,
  c: GqaConfig,
  rope: RopeConfig,
  rotation: Rotation,
): Value {
  const project = (weight: LayerWeightName, bias: LayerWeightName, heads: number): Value =>
    g.linear(x, weights.layer(layer, weight), {
      bias: c.qkvBias ? weights.layer(layer, bias) : null,
      dims: [heads, c.headDim],
    });
  /** Models with a partial rotary dimension leave the rest of the head as it is. */
  const rotate = (value: Value): Value => {
    if (rope.dim === c.headDim) return g.rope(value, rope.pairs, rotation);
    const [rotated, plain] = g.split(value, [rope.dim, c.headDim - rope.dim]);
    return g.concat([g.rope(rotated, rope.pairs, rotation), plain]);
  };
  const q = rotate(project("q", "qBias", c.numHeads));
  g.cacheWrite(layer, "key", rotate(project("k", "kBias", c.numKeyValueHeads)));
  g.cacheWrite(layer, "value", project("v", "vBias", c.numKeyValueHeads));
  const context = g.gqaAttention(layer, q, c.numKeyValueHeads, c.headDim ** -0.5);
  return g.linear(context, weights.layer(layer, "o"));
}
