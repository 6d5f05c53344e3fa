import type { Value } from "../tensor/program.ts";
import type { Recorder } from "../tensor/recorder.ts";
import type { WeightSource } from "../tensor/weight.ts";
import type { MoeConfig } from "./config.ts";
import type { LayerWeightName, ModelWeights } from "./weights.ts";

/** down(silu(gate x) * up x). @returns [T, hidden] */
export function denseFfn(
  g: Recorder,
  x: Value,
  w: { gate: WeightSource; up: WeightSource; down: WeightSource },
): Value {
  return g.linear(g.swiglu(g.linear(x, w.gate), g.linear(x, w.up)), w.down);
}

/**
 * Mixture of experts: a few routed experts chosen per token, and the shared ones that see every token.
 * Source: arXiv:2401.06066, arXiv:2405.04434 2.2, arXiv:2412.19437 2.1.2.
 * @param x [T, hidden], after the layer's second norm
 * @param report called with the routing of this layer, for goldens and the curious
 * @returns [T, hidden], before the residual is added
 */
export function moe(
  g: Recorder,
  weights: ModelWeights,
  layer: number,
  x: Value,
  c: MoeConfig,
  report: (route: { scores: Value; ids: Value; weights: Value }) => void,
): Value {
  const w = (name: LayerWeightName) => weights.layer(layer, name);
  const route = g.routeExperts(g.linear(x, w("router")), c.scoreCorrectionBias ? w("routerBias") : null, c.routing);
  report(route);
  const experts = { gate: w("expertsGate"), up: w("expertsUp"), down: w("expertsDown") };
  const routed = g.expertsFfn(x, route, experts);
  if (c.numSharedExperts === 0) return routed;
  return g.add(routed, denseFfn(g, x, { gate: w("sharedGate"), up: w("sharedUp"), down: w("sharedDown") }));
}
