import type { RouteContext } from "./route.ts";

/** GET /metrics, in Prometheus's text format. */
export function getMetrics(_request: Request, { metrics }: RouteContext): Promise<Response> {
  return metrics.response();
}
