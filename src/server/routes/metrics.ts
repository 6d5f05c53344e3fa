import type { RouteContext } from "./route.ts";

/** GET /metrics, in Prometheus's text format. */
export function getMetrics(_request: Request, { metrics, models }: RouteContext): Promise<Response> {
  metrics.observe(models.cards(), models.loaded());
  return metrics.response();
}
