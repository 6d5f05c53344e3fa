import type { ServedModel } from "../../engine/generation.ts";
import { ApiError } from "../../errors.ts";
import type { ModelCard, ModelList } from "../../protocol/models.ts";
import type { RouteContext } from "./route.ts";

/** GET /v1/models: 503 while loading. */
export function listModels(_request: Request, { models }: RouteContext): Response {
  return Response.json({ object: "list", data: models.list().map(toCard) } satisfies ModelList);
}

/** GET /v1/models/:id: 404 model_not_found for any but the real name; 503 while loading. */
export function getModel(_request: Request, { models, params }: RouteContext): Response {
  const served = models.list();
  const model = served.find(({ id }) => id === params.id);
  if (model !== undefined) return Response.json(toCard(model));
  const names = served.map(({ id }) => JSON.stringify(id)).join(", ");
  throw new ApiError(404, `no model of this name is served here, but ${names}`, {
    param: "model",
    code: "model_not_found",
  });
}

function toCard({ id, created, description, contextSize }: ServedModel): ModelCard {
  return { id, object: "model", created, owned_by: "deepts", description, context_length: contextSize };
}
