import { ShapeError } from "../errors.ts";
import type { CacheDType, Program, Value } from "../tensor/program.ts";
import type { Rotation } from "../tensor/recorder.ts";
import { Recorder } from "../tensor/recorder.ts";
import type { WeightSource } from "../tensor/weight.ts";
import { cacheLayout } from "./cache-layout.ts";
import type { ModelConfig } from "./config.ts";
import { isMoeLayer } from "./config.ts";
import { denseFfn, moe } from "./feed-forward.ts";
import { gqa } from "./gqa.ts";
import { mla } from "./mla.ts";
import { rotation } from "./rope.ts";
import type { LayerWeightName, ModelWeights } from "./weights.ts";

/**
 * What a Program lets its caller read beside `logits` [logitRows, vocab] and `finalNorm` [T, hidden] (the state after the
 * last norm: input of the MTP Program, source of embeddings). Indices are layers.
 */
export interface Taps {
  /** `embedding`, and `hidden.<i>` [T, hidden]: the residual stream after layer i. */
  readonly hidden?: boolean;
  /** `attention.<i>` [T, hidden]: what attention adds to the residual stream. */
  readonly attention?: boolean;
  /** `routes.<i>.scores` [T, experts], `routes.<i>.ids` and `routes.<i>.weights` [T, topK]. */
  readonly routes?: boolean;
}

/** The main network: tokens -> logits. @param cache the type of its cache */
export function recordNetwork(
  config: ModelConfig,
  weights: ModelWeights,
  taps: Taps = {},
  cache: CacheDType = "f32",
): Program {
  const g = new Recorder("network", cacheLayout(config, cache));
  const turn = rotation(config.rope);
  let x = embedTokens(g, config, weights.embed);
  if (taps.hidden) g.output("embedding", x);
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    x = decoderLayer(g, config, weights, layer, x, turn, taps);
    if (taps.hidden) g.output(`hidden.${layer}`, x);
  }
  const finalNorm = g.rmsNorm(x, weights.finalNorm, config.rmsNormEps);
  g.output("finalNorm", finalNorm);
  g.output("logits", g.linear(g.gatherRows(finalNorm), weights.head, { dims: [config.vocabSize] }));
  return g.finish();
}

/**
 * A multi-token-prediction layer (arXiv:2412.19437 2.2) as a Program of its own: from the main network's finalNorm of
 * token i (input `hidden`) and token i+1 (the batch's token, at position i) to logits for token i+2.
 * @param index which of the MTP layers, from 0
 */
export function recordMtp(config: ModelConfig, weights: ModelWeights, index = 0, cache: CacheDType = "f32"): Program {
  const g = new Recorder(`mtp.${index}`, cacheLayout(config, cache));
  const layer = config.numHiddenLayers + index;
  const w = (name: LayerWeightName) => weights.layer(layer, name);
  const hidden = g.input("hidden", config.hiddenSize);
  // Checkpoints repeat the embedding and the head here, GGUF files may leave the copies out.
  const embed = embedTokens(g, config, weights.has(layer, "mtpEmbed") ? w("mtpEmbed") : weights.embed);
  const head = weights.has(layer, "mtpHead") ? w("mtpHead") : weights.head;
  const joined = g.concat([
    g.rmsNorm(embed, w("enorm"), config.rmsNormEps),
    g.rmsNorm(hidden, w("hnorm"), config.rmsNormEps),
  ]);
  const x = decoderLayer(g, config, weights, layer, g.linear(joined, w("ehProj")), rotation(config.rope), {});
  const finalNorm = g.rmsNorm(x, w("mtpHeadNorm"), config.rmsNormEps);
  g.output("finalNorm", finalNorm);
  g.output("logits", g.linear(g.gatherRows(finalNorm), head, { dims: [config.vocabSize] }));
  return g.finish();
}

/** @throws ShapeError when the table has not one row for each token of the vocabulary */
function embedTokens(g: Recorder, { vocabSize }: ModelConfig, table: WeightSource): Value {
  if (table.shape[0] !== vocabSize)
    throw new ShapeError(`embed ${table.name}`, `${vocabSize} rows`, `[${table.shape}]`);
  return g.embed(table);
}

/** x + attention(norm x), then that + feedForward(norm that). */
function decoderLayer(
  g: Recorder,
  config: ModelConfig,
  weights: ModelWeights,
  layer: number,
  x: Value,
  turn: Rotation,
  taps: Taps,
): Value {
  const { attention: c, rope, rmsNormEps: eps } = config;
  const w = (name: LayerWeightName) => weights.layer(layer, name);
  const normed = g.rmsNorm(x, w("attnNorm"), eps);
  const attended =
    c.kind === "mla" ? mla(g, weights, layer, normed, c, rope, turn) : gqa(g, weights, layer, normed, c, rope, turn);
  if (taps.attention) g.output(`attention.${layer}`, attended);
  const middle = g.add(x, attended);
  const ffnIn = g.rmsNorm(middle, w("ffnNorm"), eps);
  const fed = isMoeLayer(config, layer)
    ? moe(g, weights, layer, ffnIn, config.moe!, (route) => {
        if (taps.routes) for (const [name, value] of Object.entries(route)) g.output(`routes.${layer}.${name}`, value);
      })
    : denseFfn(g, ffnIn, { gate: w("gate"), up: w("up"), down: w("down") });
  return g.add(middle, fed);
}
