import type { Health } from "../../protocol/health.ts";
import type { RouteContext } from "./route.ts";

const STATUS: Readonly<Record<Health["status"], number>> = { ok: 200, loading: 503, failed: 500 };

/** GET /health: 200 when the model answers, 503 while it loads, 500 when it could not be loaded. */
export function getHealth(_request: Request, { models }: RouteContext): Response {
  const health = models.health();
  const headers = health.status === "loading" ? { "retry-after": "1" } : undefined;
  return Response.json(health satisfies Health, { status: STATUS[health.status], headers });
}
