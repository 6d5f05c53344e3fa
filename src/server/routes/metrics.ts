import type { RouteContext } from "./route.ts";

/** GET /metrics, in Prometheus's text format. */
export function getMetrics(_request: Request, { metrics, models }: RouteContext): Promise<Response> {
  for (const { id: model, memory_bytes, state } of models.cards()) {
    const loaded = state === "loaded" || state === "unloading";
    metrics.modelLoaded.set({ model }, loaded ? 1 : 0);
    metrics.modelMemory.set({ model }, loaded ? (memory_bytes ?? 0) : 0);
  }
  return metrics.response();
}
