import { type ModelCard, type ModelList, modelRequest } from "../../protocol/models.ts";
import { manageParameters } from "../../protocol/parameters.ts";
import { readRequest } from "../json-body.ts";
import type { RouteContext } from "./route.ts";

/** GET /v1/models: 503 while loading. */
export function listModels(_request: Request, { models }: RouteContext): Response {
  return Response.json({ object: "list", data: models.list() } satisfies ModelList);
}

/** GET /v1/models/:id: 404 model_not_found for any but the real name; 503 while loading. */
export function getModel(_request: Request, { models, params }: RouteContext): Response {
  return Response.json(models.get(params.id!) satisfies ModelCard);
}

/** POST /v1/models/load: answers once the model is loaded; 404 for an unknown name, 500 and 503 as an answer's request. */
export async function loadModel(request: Request, context: RouteContext): Promise<Response> {
  const card = await context.models.load(await namedModel(request, context), request.signal);
  return Response.json(card satisfies ModelCard);
}

/** POST /v1/models/unload: answers once the model's answers have ended and its memory is free; 404 for an unknown name. */
export async function unloadModel(request: Request, context: RouteContext): Promise<Response> {
  const card = await context.models.unload(await namedModel(request, context), request.signal);
  return Response.json(card satisfies ModelCard);
}

async function namedModel(request: Request, { limits }: RouteContext): Promise<string> {
  return (await readRequest(request, modelRequest, manageParameters, limits.maxBodyBytes)).model;
}
