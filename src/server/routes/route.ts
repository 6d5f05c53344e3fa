import type { ApiError } from "../../errors.ts";
import type { Dialect } from "../dialects.ts";
import type { ModelDirectory } from "../model-directory.ts";
import type { ResponseStore } from "../response-store.ts";

/** What every route is given. */
export interface RouteContext {
  readonly models: ModelDirectory;
  readonly caller: Caller;
  readonly responses: ResponseStore;
  readonly limits: Limits;
  readonly dialect: Dialect;
  /** Parts of the path that the route's pattern names. */
  readonly params: Readonly<Record<string, string>>;
  /** Takes an error that comes after the status has been sent, for the log. */
  readonly reportError: (error: ApiError) => void;
}

/** Who makes a request. */
export interface Caller {
  /** Name of the API key; empty where none is asked for. */
  readonly id: string;
}

export interface Limits {
  /** Larger bodies are refused with 413. */
  readonly maxBodyBytes: number;
  /** Streams send a comment when they have been silent for this long. */
  readonly keepAliveMs: number;
}

/** Throws what `toApiError` understands. The request's signal aborts when the client is gone. */
export type Handler = (request: Request, context: RouteContext) => Promise<Response> | Response;

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** Hono's pattern. */
  readonly path: string;
  /** Default openai. */
  readonly dialect?: Dialect;
  readonly handler: Handler;
}
