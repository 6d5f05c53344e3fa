import type { RouteContext } from "./route.ts";

/** GET /metrics, in Prometheus's text format. */
export function getMetrics(_request: Request, { metrics, models }: RouteContext): Promise<Response> {
  for (const model of models.loaded()) metrics.observe(model);
  return metrics.response();
}
