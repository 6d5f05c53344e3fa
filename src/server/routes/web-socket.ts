import { ApiError } from "../../errors.ts";
import { errorResponse } from "../errors.ts";
import type { RouteContext } from "./route.ts";

/**
 * GET /v1/ws: 426 for whoever may open a web socket here. Browsers send the page's origin and, unlike with fetch, let any
 * page open a socket, so that origins are looked at here.
 */
export function openWebSocket(request: Request, { origins }: RouteContext): Response {
  const origin = request.headers.get("origin");
  if (origin !== null && !mayOpen(origin, new URL(request.url).host, origins)) {
    throw new ApiError(
      403,
      "pages of this origin may not open a web socket here: start the server with --cors and it",
      {
        code: "origin_not_allowed",
      },
    );
  }
  const error = new ApiError(426, "this path takes web sockets: ask for an upgrade", { code: "upgrade_required" });
  const response = errorResponse(error);
  response.headers.set("upgrade", "websocket");
  return response;
}

function mayOpen(origin: string, host: string, origins: readonly string[] | "*"): boolean {
  if (origins === "*" || origins.includes(origin)) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}
