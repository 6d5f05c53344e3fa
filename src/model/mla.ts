import type { Value } from "../tensor/program.ts";
import type { Recorder, Rotation } from "../tensor/recorder.ts";
import type { MlaConfig, RopeConfig } from "./config.ts";
import { LATENT_NORM_EPS } from "./config.ts";
import { lightningIndexer } from "./indexer.ts";
import type { LayerWeightName, ModelWeights } from "./weights.ts";

/**
 * Multi-head latent attention of one layer.
 * Source: arXiv:2405.04434 2.1.2-2.1.3; arXiv:2412.19437 2.1.1.
 * @param x [T, hidden], after the layer's first norm
 * @returns [T, hidden], before the residual is added
 */
export function mla(
  g: Recorder,
  weights: ModelWeights,
  layer: number,
  x: Value,
  c: MlaConfig,
  rope: RopeConfig,
  rotation: Rotation,
): Value {
  const { numHeads, qkNopeHeadDim: nope, qkRopeHeadDim: ropeDim, kvLoraRank } = c;
  const w = (name: LayerWeightName) => weights.layer(layer, name);

  const qLatent = c.qLoraRank === null ? x : g.rmsNorm(g.linear(x, w("qA")), w("qANorm"), LATENT_NORM_EPS);
  const q = g.linear(qLatent, w(c.qLoraRank === null ? "q" : "qB"), { dims: [numHeads, nope + ropeDim] });
  const [qNope, qPlain] = g.split(q, [nope, ropeDim]); // [T, heads, nope], [T, heads, rope]
  const qRope = g.rope(qPlain, rope.pairs, rotation);

  const [latent, kPlain] = g.split(g.linear(x, w("kvA")), [kvLoraRank, ropeDim]); // one rope key for all heads
  g.cacheWrite(layer, "latent", g.rmsNorm(latent, w("kvANorm"), LATENT_NORM_EPS));
  g.cacheWrite(layer, "kRope", g.rope(kPlain, rope.pairs, rotation));

  const selection = c.indexer && lightningIndexer(g, weights, layer, x, qLatent, c.indexer, rotation);
  const context = g.mlaAttention(layer, qNope, qRope, weights.kvB(layer), c.softmaxScale, selection);
  return g.linear(context, w("o"));
}
